"""The reference project's Celery application, with a sweep every second instead of minute."""

from sessionmgr.project.celery import app

app.conf.beat_schedule["expire stale sessions"]["schedule"] = 1.0
