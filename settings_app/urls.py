"""System Settings; a project includes them under ``admin/system-settings/``, before its admin."""

from django.urls import path

from settings_app import views

app_name = "system_settings"

urlpatterns = [
    path("", views.environments, name="environments"),
    path("<slug:slug>/general/", views.general, name="general"),
    path("<slug:slug>/groups/", views.groups, name="groups"),
    path("<slug:slug>/history/", views.history, name="history"),
    path("<slug:slug>/coverage/", views.coverage, name="coverage"),
    path("<slug:slug>/provider/", views.provider, name="provider"),
]
