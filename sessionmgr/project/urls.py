"""The reference project's pages."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("session/", include("sessionmgr.urls")),
    path("admin/", admin.site.urls),
]
