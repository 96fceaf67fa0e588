"""The Groups tab: whom stricter limits hold for; and who gets what, for one user too (R14)."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessionmgr.core.policy import BOUNDS, Policy, group_problems, strictest
from sessionmgr.core.policy import GroupLimits as Limits
from sessionmgr.memberships import groups_of
from settings_app.access import may_change
from settings_app.forms import (
    MINUTES,
    VERSION,
    DigitsField,
    OneHiddenInput,
    OneTextInput,
)
from settings_app.group_limits import remove_limits, set_limits, values_of
from settings_app.models import Environment, GroupLimits, database, limits_of
from settings_app.saving import Author, StaleVersionError, in_force, stored_policy
from settings_app.tabs import tabs_of
from settings_app.values import minutes
from settings_app.words import NAMES, group_problem_words, policy_words, span_words


class OptionalMinutesField(DigitsField):
    """Minutes in one to four ASCII digits, or nothing."""

    def __init__(self, name: str) -> None:
        attrs = {"inputmode": "numeric", "autocomplete": "off", "class": "settings-minutes"}
        label = gettext("%(name)s (minutes)") % {"name": NAMES[name]}
        super().__init__(MINUTES, widget=OneTextInput(attrs), label=label, required=False)
        least, most = (minutes(bound) for bound in BOUNDS[name])
        self.range = {"least": least, "most": most}
        self.help_text = _("%(least)s to %(most)s; empty for no limit of its own.") % self.range

    def to_python(self, value: Any) -> Any:
        return None if value in (None, "") else super().to_python(value)

    def refusal(self) -> str:
        return gettext("Enter a whole number in digits from %(least)s to %(most)s.") % self.range


class GroupForm(forms.Form):
    """The limits of one group; ``core.policy.group_problems`` says what is wrong with them."""

    group = forms.ModelChoiceField(queryset=Group.objects.order_by("name"), label=_("Group"))
    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=OneTextInput({"autocomplete": "off", "class": "settings-reason"}),
        label=_("Reason (optional)"),
        help_text=_("Shown beside the limits and kept in the history, at most 500 characters."),
    )
    #: The group whose limits the form was opened with: another one must have none yet.
    changing = forms.CharField(required=False, widget=OneHiddenInput)
    version = DigitsField(VERSION, widget=OneHiddenInput)
    field_order = ["group", "max_session_length", "inactivity_duration", "reason"]

    def __init__(self, policy: Policy, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, auto_id="id_%s", use_required_attribute=False, **kwargs)
        self.policy = policy
        for name in ("max_session_length", "inactivity_duration"):
            self.fields[name] = OptionalMinutesField(name)
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        group = cleaned.get("group")
        limited = {each.group for each in self.policy.groups}
        is_other = group is not None and cleaned.get("changing") != str(group.pk)
        if group is not None and is_other and group.pk in limited:
            message = gettext("“%(group)s” has limits already: change them above.")
            self.add_error("group", ValidationError(message % {"group": group}, code="twice"))
        if not {"max_session_length", "inactivity_duration"} & set(self.errors):
            limits = self.limits()
            for problem in group_problems(limits, self.policy):
                self.add_error(problem.field, group_problem_words(problem, limits, self.policy))
        return cleaned

    def limits(self) -> Limits:
        """Return the limits of a form whose numbers could be read."""
        cleaned = self.cleaned_data
        group = cleaned.get("group")
        return limits_of(
            None if group is None else group.pk,
            cleaned.get("max_session_length"),
            cleaned.get("inactivity_duration"),
        )


class Who(NamedTuple):
    """One line of "who gets what": the limits of everybody, or of a group."""

    name: str
    length: str
    idle: str
    reason: str = ""
    group: Any = None
    #: Limits that have no effect, as the environment's own are stricter by now.
    is_outdone: bool = False
    is_decisive: bool = False


def who_gets_what(environment: Environment, policy: Policy) -> list[Who]:
    """Return everybody's limits and each group's, by name."""
    rows = GroupLimits.objects.using(database()).filter(environment=environment)
    everybody = Who(gettext("Everybody"), *_spans(policy.max_age, policy.max_idle))
    return [everybody, *(_who(row, policy) for row in rows.select_related("group"))]


def _who(row: GroupLimits, policy: Policy) -> Who:
    limits = row.limits
    made = strictest(policy, {row.group_id})
    is_outdone = (made.max_age, made.max_idle) == (policy.max_age, policy.max_idle)
    spans = _spans(limits.max_age, limits.max_idle)
    return Who(row.group.name, *spans, row.reason, row.group_id, is_outdone)


def _spans(length: timedelta | None, idle: timedelta | None) -> tuple[str, str]:
    return _span(length), _span(idle)


def _span(given: timedelta | None) -> str:
    return "–" if given is None else span_words(minutes(given))  # noqa: RUF001


class Found(NamedTuple):
    """Why one user gets what they get: each limit that holds for them, and the outcome."""

    username: str
    lines: list[Who]
    outcome: list[str]


def why(environment: Environment, username: str) -> Found | None:
    """Return what holds for a user in ``environment``, and which limits decide; ``None``: nobody.

    As stored now, whoever of them is signed in.
    """
    model = get_user_model()
    try:
        user = model._default_manager.get_by_natural_key(username)
    except model.DoesNotExist:
        return None
    policy = in_force(stored_policy(environment))
    member_of = groups_of(user.pk, [limits.group for limits in policy.groups])
    own = strictest(policy, member_of)
    spans: dict[Any, tuple[timedelta | None, timedelta | None]] = {
        None: (policy.max_age, policy.max_idle),
        **{each.group: (each.max_age, each.max_idle) for each in policy.groups},
    }
    lines = [
        line._replace(is_decisive=_decides(*spans[line.group], own))
        for line in who_gets_what(environment, policy)
        if line.group is None or line.group in member_of
    ]
    return Found(user.get_username(), lines, policy_words(own))


def _decides(age: timedelta | None, idle: timedelta | None, own: Policy) -> bool:
    is_age = age is not None and age == own.max_age
    return is_age or (idle is not None and idle == own.max_idle)


@dataclass
class GroupsPage:
    """One request to the Groups tab of ``environment``."""

    request: HttpRequest
    environment: Environment

    @cached_property
    def stored(self) -> Policy:
        return stored_policy(self.environment)

    def show(self, form: GroupForm | None = None, status: int = 200, **more: Any) -> HttpResponse:
        """Show the groups that have limits, and the form to add some or to change one's."""
        context = {
            **admin.site.each_context(self.request),
            "title": _("System Settings"),
            "subtitle": self.environment.name,
            "environment": self.environment,
            "tabs": tabs_of(self.environment, "groups"),
            "may_change": may_change(self.request.user),
            "who": who_gets_what(self.environment, self.stored),
            "form": form or self.fresh_form(),
            "version": self.stored.version,
            **more,
        }
        return render(self.request, "settings_app/groups.html", context, status=status)

    def fresh_form(self) -> GroupForm:
        """Return the form for another group, or for the one that is asked for."""
        asked = self.request.GET.get("change", "")
        limits = next((each for each in self.stored.groups if str(each.group) == asked), None)
        initial: dict[str, Any] = {"version": self.stored.version}
        if limits is not None:
            initial |= {"group": limits.group, "changing": asked, **values_of(limits)}
        return GroupForm(self.stored, initial=initial)

    def answer(self) -> HttpResponse:
        """Do what the pressed button says."""
        if not may_change(self.request.user):
            raise PermissionDenied
        if "remove" in self.request.POST:
            return self.remove(self.request.POST["remove"])
        form = GroupForm(self.stored, self.request.POST)
        is_valid = form.is_valid()
        if self.is_stale(form.cleaned_data.get("version")):
            return self.tell_who_was_faster()
        if not is_valid:
            return self.show(form, HTTPStatus.UNPROCESSABLE_ENTITY)
        cleaned = form.cleaned_data
        return self.store(
            lambda: set_limits(
                self.environment,
                form.limits(),
                based_on=cleaned["version"],
                author=self.author,
                reason=cleaned["reason"],
            )
        )

    def remove(self, group: str) -> HttpResponse:
        """Have the environment's own limits hold for a group's members again."""
        limits = next((each for each in self.stored.groups if str(each.group) == group), None)
        version = self.request.POST.get("version", "")
        if limits is None or version != str(self.stored.version):
            return self.tell_who_was_faster()
        return self.store(
            lambda: remove_limits(
                self.environment, limits.group, based_on=int(version), author=self.author
            )
        )

    def store(self, save: Any) -> HttpResponse:
        """Save, unless somebody was faster after all."""
        try:
            save()
        except StaleVersionError:
            del self.stored
            return self.tell_who_was_faster()
        messages.success(
            self.request, _("The settings are saved and in force within two seconds.")
        )
        return redirect("system_settings:groups", self.environment.slug)

    @property
    def author(self) -> Author:
        user = self.request.user
        return Author(name=user.get_username(), user=user)

    def is_stale(self, version: int | None) -> bool:
        """Return whether the form was made from another version than the one stored."""
        return version is not None and version != self.stored.version

    def tell_who_was_faster(self) -> HttpResponse:
        """Show what is stored now; nothing was stored of this."""
        form = GroupForm(self.stored, initial=self._typed())
        return self.show(form, HTTPStatus.CONFLICT, is_conflict=True)

    def _typed(self) -> dict[str, Any]:
        typed = {name: self.request.POST.get(name, "") for name in GroupForm.field_order}
        changing = self.request.POST.get("changing", "")
        is_there = any(str(each.group) == changing for each in self.stored.groups)
        return {
            **typed,
            "version": self.stored.version,
            "changing": changing if is_there else "",
        }
