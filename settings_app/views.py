"""The pages: environments, the General tab of one, what is told of it, and About."""

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from sessionmgr.conf import conf as engine_conf
from sessionmgr.models import BarePage
from sessionmgr.models import database as sessions_database
from settings_app.about import about_context
from settings_app.access import for_staff, may_change
from settings_app.general import GeneralPage
from settings_app.groups import GroupsPage
from settings_app.history import history_of, told_changes
from settings_app.models import Environment, database
from settings_app.provider import provider_context
from settings_app.saving import stored_policy
from settings_app.tabs import tabs_of
from settings_app.words import policy_words

#: What a base template needs.
TAG = "{% load sessionmgr %}{% session_timeout %}"

#: Changes on one page of the history.
PER_PAGE = 50


@require_safe
@for_staff
def environments(request: HttpRequest) -> HttpResponse:
    """List the environments; a single one opens straight away."""
    found = list(Environment.objects.using(database()))
    if len(found) == 1:
        return redirect("system_settings:general", found[0].slug)
    listed = [(each, policy_words(stored_policy(each))) for each in found]
    context = {**admin.site.each_context(request), "title": _("System Settings"), "listed": listed}
    return render(request, "settings_app/environments.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_staff
def general(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the General tab, or do what its buttons say."""
    page = GeneralPage(request, _environment(slug))
    return page.answer() if request.method == "POST" else page.show()


@require_http_methods(["GET", "HEAD", "POST"])
@for_staff
def groups(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the Groups tab, or do what its buttons say."""
    page = GroupsPage(request, _environment(slug))
    return page.answer() if request.method == "POST" else page.show()


@require_safe
@for_staff
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """Show every change, newest first."""
    environment = _environment(slug)
    pages = Paginator(history_of(environment), PER_PAGE)
    page = pages.get_page(request.GET.get("page"))
    context = {
        **admin.site.each_context(request),
        "title": _("System Settings"),
        "subtitle": environment.name,
        "environment": environment,
        "tabs": tabs_of(environment, "history"),
        "page": page,
        "changes": told_changes(page),
    }
    return render(request, "settings_app/history.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_staff
def coverage(request: HttpRequest, slug: str) -> HttpResponse:
    """Show which pages do not warn; a POST begins the list anew."""
    environment = _environment(slug)
    pages = BarePage.objects.using(sessions_database()).filter(scope=environment.slug)
    if request.method == "POST":
        if not may_change(request.user):
            raise PermissionDenied
        pages.delete()
        return redirect("system_settings:coverage", slug)
    context = {
        **admin.site.each_context(request),
        "title": _("System Settings"),
        "subtitle": environment.name,
        "environment": environment,
        "tabs": tabs_of(environment, "coverage"),
        "may_change": may_change(request.user),
        "is_on": engine_conf.SESSIONMGR_COVERAGE_REPORT,
        "tag": TAG,
        "pages": pages.order_by("-last_seen_at", "route")[:PER_PAGE],
    }
    return render(request, "settings_app/coverage.html", context)


@require_safe
@for_staff
def provider(request: HttpRequest, slug: str) -> HttpResponse:
    """Show whether the identity provider answers, and what live sessions live on."""
    environment = _environment(slug)
    context = {
        **admin.site.each_context(request),
        "title": _("System Settings"),
        "subtitle": environment.name,
        "environment": environment,
        "tabs": tabs_of(environment, "provider"),
        # The page itself says it all.
        "hides_provider_notice": True,
        **provider_context(environment),
    }
    return render(request, "settings_app/provider.html", context)


@never_cache
@require_safe
@login_required
def about(request: HttpRequest) -> HttpResponse:
    """Tell the versions, the limits in force, and until when this sign-in lasts."""
    return render(request, "settings_app/about.html", about_context(request))


def _environment(slug: str) -> Environment:
    return get_object_or_404(Environment.objects.using(database()), slug=slug)
