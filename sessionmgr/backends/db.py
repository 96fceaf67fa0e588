from django.contrib.sessions.backends.db import SessionStore  # noqa
