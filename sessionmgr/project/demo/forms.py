"""The demo's long form: something to type in, that would be a pity to lose."""

from django import forms
from django.utils.translation import gettext_lazy as _


class VisitReportForm(forms.Form):
    """A report of a visit. What is sent is shown again and stored nowhere."""

    customer = forms.CharField(label=_("Customer"), max_length=100)
    day = forms.DateField(
        label=_("Day of the visit"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    purpose = forms.ChoiceField(
        label=_("Purpose"),
        choices=[
            ("service", _("Service")),
            ("sales", _("Sales")),
            ("complaint", _("Complaint")),
        ],
    )
    present = forms.CharField(
        label=_("Who was there"), required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    findings = forms.CharField(
        label=_("What you found"),
        help_text=_("Take your time. You are told in good time before you are signed out."),
        widget=forms.Textarea(attrs={"rows": 9}),
    )
    next_steps = forms.CharField(
        label=_("What happens next"), required=False, widget=forms.Textarea(attrs={"rows": 5})
    )
    is_urgent = forms.BooleanField(label=_("Somebody should read this today"), required=False)
