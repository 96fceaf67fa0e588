"""In the admin: environments and their addresses, kinds of client, and the way to System Settings.

The limits are changed on their own page alone, so that there is no way around its rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, path, reverse
from django.utils.translation import gettext_lazy as _

from settings_app import exempting
from settings_app.access import may_change, may_view
from settings_app.clients import database
from settings_app.environments import make_default, why_kept
from settings_app.models import About, Address, ClientClass, Environment, Instance, SystemSettings

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.urls import URLPattern

    BaseAdmin = admin.ModelAdmin[Any]
    BaseEnvironmentAdmin = admin.ModelAdmin[Environment]
    BaseInline = admin.TabularInline[Address, Environment]
    ClientClassBase = admin.ModelAdmin[ClientClass]
else:
    BaseAdmin = BaseEnvironmentAdmin = ClientClassBase = admin.ModelAdmin
    BaseInline = admin.TabularInline


class AddressInline(BaseInline):
    """The addresses of an environment; who may change it may change them."""

    model = Address
    extra = 1

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("sessionmgr_settings.view_environment") or self._may(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def _may(self, request: HttpRequest) -> bool:
        return request.user.has_perm("sessionmgr_settings.change_environment")


@admin.register(Environment)
class EnvironmentAdmin(BaseEnvironmentAdmin):
    """Environments: what they are called, where they answer, which is the default."""

    list_display = ("name", "slug", "kind", "version", "where", "is_default")
    list_filter = ("kind",)
    search_fields = ("name", "slug", "addresses__host", "addresses__prefix")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (AddressInline,)
    actions = ("choose_default",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Environment]:
        return super().get_queryset(request).prefetch_related("addresses")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("slug",)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj is not None else {"slug": ("name",)}

    @admin.display(description=_("addresses"))
    def where(self, environment: Environment) -> str:
        """Return where the environment answers."""
        return ", ".join(map(str, environment.addresses.all())) or "-"

    @admin.action(description=_("Make this the default"), permissions=["change"])
    def choose_default(self, request: HttpRequest, chosen: QuerySet[Environment]) -> None:
        """Have the one that is ticked answer wherever no address leads elsewhere."""
        if len(chosen) != 1:
            self.message_user(request, _("Choose one environment."), messages.ERROR)
            return
        make_default(chosen[0])
        said = _("“%(name)s” is the default environment now.") % {"name": chosen[0].name}
        self.message_user(request, said, messages.SUCCESS)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, ...]:
        """Tell what keeps them, as Django tells of protected objects."""
        *told, protected = super().get_deleted_objects(objs, request)
        kept = [reason for each in objs for reason in why_kept(each)]
        return (*told, [*protected, *kept])


class LinkAdmin(BaseAdmin):
    """Only the link to a page of ours: adding, changing and deleting happen there, if anywhere."""

    leads_to = ""

    def get_urls(self) -> list[URLPattern]:
        name = "{}_{}_changelist".format(*self._label())
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name)]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect(self.leads_to)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_mounted(self.leads_to) and may_view(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_view(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def _label(self) -> tuple[str, str]:
        return self.opts.app_label, str(self.opts.model_name)


@admin.register(SystemSettings)
class SystemSettingsAdmin(LinkAdmin):
    """The way to System Settings."""

    leads_to = "system_settings:environments"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_change(request.user)


@admin.register(Instance)
class InstanceAdmin(LinkAdmin):
    """The way to the Admin Center."""

    leads_to = "admin_center:instances"


@admin.register(About)
class AboutAdmin(LinkAdmin):
    """The way to the About page, which is everybody's."""

    leads_to = "about"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_mounted(self.leads_to)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


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


def is_mounted(name: str) -> bool:
    """Return whether the project has included the URLs that ``name`` is of."""
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True
