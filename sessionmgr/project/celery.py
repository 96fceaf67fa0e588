"""The reference project's Celery application, and when its jobs run.

``CELERY_BROKER_URL`` names the broker: Redis or RabbitMQ in production, by default a folder.
Whatever the broker does, no request waits for it longer than a second or two.
"""

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sessionmgr.project.settings")

from django.conf import settings

BROKER_URL: str = settings.CELERY_BROKER_URL

#: Seconds that a connection to the broker may take. A publication that fails is not tried again:
#: the next tick comes, and nothing that a user sees depends on a job.
PATIENCE = 1.0


def transport_options(broker_url: str) -> dict[str, Any]:
    """Return what the broker's kind needs beside its URL; makes the folders of a folder broker."""
    if not broker_url.startswith("filesystem:"):
        return {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "max_retries": 1}
    root = Path(settings.CELERY_BROKER_FOLDER)
    queue, control = root / "queue", root / "control"
    for folder in (queue, control):
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(queue),
        "data_folder_out": str(queue),
        "control_folder": str(control),
    }


app = Celery("sessionmgr")
app.conf.update(
    broker_url=BROKER_URL,
    broker_transport_options=transport_options(BROKER_URL),
    broker_connection_timeout=PATIENCE,
    broker_connection_retry_on_startup=True,
    task_publish_retry=False,
    task_ignore_result=True,
    timezone="UTC",
    beat_schedule={
        # ``expires``: after a pause of the worker, one run does the work of those missed.
        "expire stale sessions": {
            "task": "sessionmgr.tasks.expire_stale_sessions",
            "schedule": 60.0,
            "options": {"expires": 55},
        },
        "renew identity leases": {
            "task": "sessionmgr.tasks.renew_identity_leases",
            "schedule": 60.0,
            "options": {"expires": 55},
        },
        "purge ended sessions": {
            "task": "sessionmgr.tasks.purge_ended_sessions",
            "schedule": crontab(hour="3", minute="15"),
            "options": {"expires": 3600},
        },
    },
)
app.autodiscover_tasks()
