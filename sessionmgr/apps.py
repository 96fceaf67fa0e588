"""The app's place in Django: connects the receivers and the checks."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SessionmgrConfig(AppConfig):
    name = "sessionmgr"
    verbose_name = _("Session management")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sessionmgr import checks, receivers

        checks.register_all()
        receivers.connect()
