"""The General tab: show it, refuse, ask first, store, or tell who was faster."""

from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import BoundField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sessionmgr.core.decision import decide
from sessionmgr.core.policy import Policy
from sessionmgr.enforcement import judgement_of
from settings_app.access import may_change
from settings_app.conf import conf
from settings_app.forms import GeneralForm, typed_in
from settings_app.groups import who_gets_what, why
from settings_app.history import Move, history_of, moves_of, told_changes
from settings_app.models import Environment
from settings_app.saving import Author, StaleVersionError, in_force, store, stored_policy
from settings_app.tabs import tabs_of
from settings_app.values import DEFAULTS, FIELDS, MINUTE_FIELDS, changes_between, values_of
from settings_app.words import NAMES, allowed, policy_words, value_words

#: Changes shown below the form; the rest is on the History tab.
RECENT = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One field of the page, and what stands beside it."""

    field: BoundField
    name: str
    default: str
    allowed: str


def groups_of(form: GeneralForm) -> list[tuple[str, list[Row]]]:
    """Return the groups of the page, each with its fields."""
    return [
        (_("Set session timeout"), [row_of(form, field) for field in FIELDS[:3]]),
        (_("Set inactivity timeout"), [row_of(form, field) for field in FIELDS[3:]]),
    ]


def row_of(form: GeneralForm, field: str) -> Row:
    """Return a field with its default and its range; minutes as they would be typed."""
    if field in MINUTE_FIELDS:
        return Row(form[field], str(NAMES[field]), str(DEFAULTS[field]), allowed(field))
    return Row(form[field], str(NAMES[field]), value_words(field, DEFAULTS[field]), "")


@dataclass
class GeneralPage:
    """One request to the General tab of ``environment``."""

    request: HttpRequest
    environment: Environment

    @cached_property
    def stored(self) -> Policy:
        return stored_policy(self.environment)

    def show(
        self, form: GeneralForm | None = None, status: int = HTTPStatus.OK, **more: Any
    ) -> HttpResponse:
        """Show the page with ``form``, else with what is stored."""
        changes = told_changes(history_of(self.environment)[: RECENT + 1])
        form = form or self.form_of(values_of(self.stored), self.stored.version)
        context = {
            **self.context(),
            "form": form,
            "groups": groups_of(form),
            "wrong": [form[name] for name in form.errors if name in form.fields],
            "changes": changes[:RECENT],
            "has_more_changes": len(changes) > RECENT,
            "stored_version": self.stored.version,
            "in_force": policy_words(in_force(self.stored)),
            "who": who_gets_what(self.environment, self.stored),
            **self.looked_up(),
            **more,
        }
        return render(self.request, "settings_app/general.html", context, status=status)

    def looked_up(self) -> dict[str, Any]:
        """Return why the user that is asked for gets what they get."""
        asked = self.request.GET.get("user", "").strip()
        return {"asked": asked, "found": why(self.environment, asked) if asked else None}

    def context(self) -> dict[str, Any]:
        """Return what every answer of this page shows."""
        return {
            **admin.site.each_context(self.request),
            "title": _("System Settings"),
            "subtitle": self.environment.name,
            "environment": self.environment,
            "tabs": tabs_of(self.environment, "general"),
            "may_change": may_change(self.request.user),
            "is_restoring": conf.SESSIONMGR_RESTORE_DEFAULTS,
        }

    def form_of(self, values: dict[str, Any], version: int) -> GeneralForm:
        """Return a form that judges nothing; who may not change it finds it switched off."""
        form = GeneralForm(initial={**values, "version": version})
        if not may_change(self.request.user):
            for field in form.fields.values():
                field.disabled = True
        return form

    def answer(self) -> HttpResponse:
        """Do what the pressed button says."""
        if not may_change(self.request.user):
            raise PermissionDenied
        post = self.request.POST
        if (field := post.get("reset")) is not None:
            return self.back_to_default(field)
        if "edit" in post:
            typed = typed_in(post)
            return self.show(self.form_of(typed, typed["version"]))
        if "restore" in post:
            return self.restore_defaults()
        return self.save(GeneralForm(post))

    def back_to_default(self, field: str) -> HttpResponse:
        """Fill in one field's default and store nothing; the others stay as typed."""
        typed = typed_in(self.request.POST)
        if field not in DEFAULTS:
            return self.show(self.form_of(typed, typed["version"]), HTTPStatus.BAD_REQUEST)
        typed[field] = DEFAULTS[field]
        return self.show(self.form_of(typed, typed["version"]), filled_in=NAMES[field])

    def restore_defaults(self) -> HttpResponse:
        """Ask, then store every default."""
        data = self.request.POST.copy()
        for field, value in DEFAULTS.items():
            data[field] = ("on" if value else "") if isinstance(value, bool) else str(value)
        return self.save(GeneralForm(data), asks="restore")

    def save(self, form: GeneralForm, asks: str = "") -> HttpResponse:
        """Store a valid form, once the admin has confirmed what needs it."""
        is_valid = form.is_valid()
        version = form.cleaned_data.get("version")
        if version is not None and version != self.stored.version:
            return self.tell_who_was_faster(form, version)
        if not is_valid:
            return self.refuse(form)
        policy = form.policy()
        questions = [asks] if asks else []
        if self.would_sign_out(policy):
            questions.append("own")
        for question in questions:
            if question not in self.request.POST.getlist("confirm"):
                return self.ask(question, form)
        return self.write(form, policy)

    def write(self, form: GeneralForm, policy: Policy) -> HttpResponse:
        """Store what is valid and confirmed, unless somebody was faster after all."""
        user = self.request.user
        version = form.cleaned_data["version"]
        try:
            store(
                self.environment,
                policy,
                based_on=version,
                author=Author(name=user.get_username(), user=user),
                reason=form.cleaned_data["reason"],
            )
        except StaleVersionError:
            del self.stored
            return self.tell_who_was_faster(form, version)
        messages.success(
            self.request, _("The settings are saved and in force within two seconds.")
        )
        return redirect("system_settings:general", self.environment.slug)

    def refuse(self, form: GeneralForm) -> HttpResponse:
        """Show each message at its field; nothing was stored."""
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if "version" not in form.errors:
            return self.show(form, status)
        said = form.errors["version"]
        return self.show(self.carrying(form, self.stored.version), status, version_refused=said)

    def tell_who_was_faster(self, form: GeneralForm, version: int) -> HttpResponse:
        """Show what is stored now beside what was typed; the next save is based on it."""
        meanwhile = history_of(self.environment).filter(version__gt=version)[:RECENT]
        return self.show(
            self.carrying(form, self.stored.version),
            HTTPStatus.CONFLICT,
            conflict=self.compared(form),
            meanwhile=told_changes(meanwhile),
        )

    def compared(self, form: GeneralForm) -> list[Move]:
        """Return each field where what was typed is not what is stored now."""
        stored = values_of(self.stored)
        typed = {**typed_in(form.data), **form.cleaned_data}
        return [
            Move(str(NAMES[field]), value_words(field, stored[field]), value_words(field, value))
            for field in FIELDS
            if (value := typed[field]) != stored[field]
        ]

    def carrying(self, form: GeneralForm, version: int) -> GeneralForm:
        """Return ``form`` as typed, to be saved upon ``version``."""
        data = form.data.copy()
        data["version"] = str(version)
        return GeneralForm(data)

    def would_sign_out(self, policy: Policy) -> bool:
        """Return whether the saver's own sign-in would be over; this request is activity."""
        judged = judgement_of(self.request)
        if judged is None or judged.scope != self.environment.slug:
            return False
        now = judged.decision.now
        state = replace(judged.state, last_activity_at=max(now, judged.state.last_activity_at))
        own = replace(
            in_force(policy),
            stricter_age=judged.policy.stricter_age,
            stricter_idle=judged.policy.stricter_idle,
        )
        return not decide(own, state, now).is_live

    def ask(self, question: str, form: GeneralForm) -> HttpResponse:
        """Ask before a save with consequences; nothing is stored yet."""
        post = self.request.POST
        moves = moves_of(changes_between(self.stored, form.policy()))
        context = {
            **self.context(),
            "question": question,
            "moves": moves,
            "count": ngettext("%(count)s setting changes", "%(count)s settings change", len(moves))
            % {"count": len(moves)},
            "carried": [(name, value) for name, value in post.items() if name in form.fields],
            "confirmed": post.getlist("confirm"),
            "is_restore": "restore" in post,
        }
        return render(self.request, "settings_app/confirm.html", context)
