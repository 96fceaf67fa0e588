"""The demo's own app: its pages, its people, its launcher."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "sessionmgr.project.demo"
    label = "sessionmgr_demo"

    def ready(self) -> None:
        from sessionmgr.project import celery  # noqa: F401 - shared tasks find their app by it
