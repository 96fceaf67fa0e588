"""In the admin's index: the way to our own page, no way around its rules; and kinds of client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, path, reverse
from django.utils.translation import gettext_lazy as _

from settings_app import exempting
from settings_app.access import may_change, may_view
from settings_app.clients import database
from settings_app.models import ClientClass, SystemSettings

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.urls import URLPattern

    BaseAdmin = admin.ModelAdmin[SystemSettings]
    ClientClassBase = admin.ModelAdmin[ClientClass]
else:
    BaseAdmin = ClientClassBase = admin.ModelAdmin


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


@admin.register(ClientClass)
class ClientClassAdmin(ClientClassBase):
    """The kinds of client; each save goes by ``exempting``, and the admin keeps its history."""

    list_display = (
        "name",
        "client_id",
        "from_session_length",
        "from_inactivity",
        "expires_at",
        "owner",
    )
    fieldsets = (
        (None, {"fields": ("name", "slug", "client_id")}),
        (_("Exempt from"), {"fields": ("from_session_length", "from_inactivity", "ceiling")}),
        (_("Why, and until when"), {"fields": ("owner", "reason", "expires_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClientClass]:
        return super().get_queryset(request).using(database())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("slug",)

    def save_model(self, request: HttpRequest, obj: ClientClass, form: Any, change: bool) -> None:
        exempting.store(obj)

    def delete_model(self, request: HttpRequest, obj: ClientClass) -> None:
        exempting.remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ClientClass]) -> None:
        for kind in queryset:
            exempting.remove(kind)


def is_mounted() -> bool:
    """Return whether the project has included our URLs."""
    try:
        reverse("system_settings:environments")
    except NoReverseMatch:
        return False
    return True
