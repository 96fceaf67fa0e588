"""The General tab as a form: strict about what it reads, and clear about what it refuses."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessionmgr.core.policy import Policy, problems
from settings_app.values import DEFAULTS, policy_of
from settings_app.words import CHOICES, HELP, LABELS, not_a_number, problem_words

#: Leading zeros are digits too: "0060" is 60 (docs/reference/system-settings.md).
MINUTES = re.compile(r"[0-9]{1,4}")
VERSION = re.compile(r"[0-9]{1,9}")

ON = frozenset({"on", "true", "True", "1"})
OFF = frozenset({"off", "false", "False", "0", ""})

#: Names beside the fields that a request may carry.
CONTROLS = frozenset({"csrfmiddlewaretoken", "_save", "reset", "restore", "edit", "confirm"})


class Several(str):
    """A field that was sent more than once; the last value, to show it again."""


class OneValue:
    """A widget's habit: read one value, and tell where there were several."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        if isinstance(data, QueryDict) and len(values := data.getlist(name)) > 1:
            return Several(values[-1])
        return data.get(name)


class OneTextInput(OneValue, forms.TextInput):
    """One text value."""


class OneHiddenInput(OneValue, forms.HiddenInput):
    """One hidden value."""


class OneRadioSelect(OneValue, forms.RadioSelect):
    """One choice."""


class OneSwitch(OneValue, forms.CheckboxInput):
    """One box; missing means off."""

    def format_value(self, value: Any) -> str | None:
        return None


class DigitsField(forms.Field):
    """A whole number in ASCII digits, and nothing else around them."""

    def __init__(self, pattern: re.Pattern[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pattern = pattern

    def to_python(self, value: Any) -> int:
        is_one = isinstance(value, str) and not isinstance(value, Several)
        if not is_one or not self.pattern.fullmatch(value):
            raise ValidationError(self.refusal(), code="invalid")
        return int(value)

    def refusal(self) -> str:
        """Return what is said of anything else."""
        return gettext("This page was sent without its version. Check the values and save again.")


class MinutesField(DigitsField):
    """Minutes in one to four ASCII digits."""

    def __init__(self, name: str) -> None:
        attrs = {"inputmode": "numeric", "autocomplete": "off", "class": "settings-minutes"}
        super().__init__(MINUTES, widget=OneTextInput(attrs), label=LABELS[name])
        self.name = name
        self.help_text = HELP[name]

    def refusal(self) -> str:
        return not_a_number(self.name)


class TimeoutField(forms.ChoiceField):
    """Honour the provider, or set custom."""

    widget = OneRadioSelect

    def to_python(self, value: Any) -> str:
        if isinstance(value, Several):
            raise ValidationError(gettext("Choose one of the two."), code="several")
        chosen: str = super().to_python(value)
        return chosen


class SwitchField(forms.Field):
    """On or off."""

    widget = OneSwitch

    def to_python(self, value: Any) -> bool:
        if value in ON and not isinstance(value, Several):
            return True
        if value is None or (value in OFF and not isinstance(value, Several)):
            return False
        raise ValidationError(gettext("Switch this on or off."), code="invalid")


class GeneralForm(forms.Form):
    """The General tab; ``core.policy.problems`` says what is wrong with the values together."""

    session_timeout = TimeoutField(
        choices=list(CHOICES.items()),
        label=LABELS["session_timeout"],
        help_text=HELP["session_timeout"],
        error_messages={"required": _("Choose one of the two.")},
    )
    max_session_length = MinutesField("max_session_length")
    session_warning = MinutesField("session_warning")
    inactivity_enabled = SwitchField(
        required=False, label=LABELS["inactivity_enabled"], help_text=HELP["inactivity_enabled"]
    )
    inactivity_duration = MinutesField("inactivity_duration")
    inactivity_warning = MinutesField("inactivity_warning")
    if TYPE_CHECKING:
        data: QueryDict

    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=OneTextInput({"autocomplete": "off", "class": "settings-reason"}),
        label=_("Reason for the change (optional)"),
        help_text=_("Kept in the history of changes, at most 500 characters."),
    )
    version = DigitsField(VERSION, widget=OneHiddenInput)

    def __init__(self, data: QueryDict | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "id_%s")
        kwargs.setdefault("use_required_attribute", False)
        super().__init__(data, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self._refuse_unknown_fields()
        unread = set(self.errors)
        policy = policy_of({**DEFAULTS, **cleaned})
        for problem in problems(policy):
            if not unread & {problem.field, problem.other}:
                self.add_error(problem.field, problem_words(problem, policy))
        return cleaned

    def policy(self) -> Policy:
        """Return the policy of a valid form."""
        return policy_of(self.cleaned_data)

    def _refuse_unknown_fields(self) -> None:
        if self.data.keys() - self.fields.keys() - CONTROLS:
            message = gettext("The request carried fields that this page does not have.")
            self.add_error(None, ValidationError(message, code="unknown"))


def typed_in(data: QueryDict) -> dict[str, Any]:
    """Return what a request's form held, as ``initial`` of a form that judges nothing."""
    typed: dict[str, Any] = {name: data.get(name, "") for name in GeneralForm.base_fields}
    typed["inactivity_enabled"] = typed["inactivity_enabled"] in ON
    return typed
