"""The app's place in Django: connects the receivers and the checks."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SettingsAppConfig(AppConfig):
    name = "settings_app"
    label = "sessionmgr_settings"
    verbose_name = _("System settings")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sessionmgr import openings
        from settings_app import checks, launch, receivers

        checks.register_all()
        receivers.connect(self)
        openings.connect(check=launch.check, tell=launch.tell)
