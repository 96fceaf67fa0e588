"""The Admin Center; a project includes it under ``admin/admin-center/``, before its admin."""

from django.urls import path

from settings_app import admin_center

app_name = "admin_center"

urlpatterns = [
    path("instances/", admin_center.instances, name="instances"),
    path("instances/<slug:slug>/open/", admin_center.open_instance, name="open"),
]
