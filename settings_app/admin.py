"""System Settings in the admin's index: the way to our own page, and no way around its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, path, reverse

from settings_app.access import may_change, may_view
from settings_app.models import SystemSettings

if TYPE_CHECKING:
    from django.urls import URLPattern

    BaseAdmin = admin.ModelAdmin[SystemSettings]
else:
    BaseAdmin = admin.ModelAdmin


@admin.register(SystemSettings)
class SystemSettingsAdmin(BaseAdmin):
    """Only the link: adding, changing and deleting happen on the page alone."""

    def get_urls(self) -> list[URLPattern]:
        name = "{}_{}_changelist".format(*self._label())
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name)]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect("system_settings:environments")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_mounted() and may_view(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_view(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_change(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def _label(self) -> tuple[str, str]:
        return self.opts.app_label, str(self.opts.model_name)


def is_mounted() -> bool:
    """Return whether the project has included our URLs."""
    try:
        reverse("system_settings:environments")
    except NoReverseMatch:
        return False
    return True
