"""What is asked before a record is opened in an emergency, and when that is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms


class EmergencyForm(forms.Form):
    """Who, and why. The reasons are those of the policy."""

    record_number = forms.CharField(
        label="Medical record number", max_length=32, help_text="As on the wristband or the papers."
    )
    birth_date = forms.DateField(label="Date of birth", widget=forms.DateInput(attrs={"type": "date"}))
    reason = forms.ChoiceField(label="Reason")
    explanation = forms.CharField(
        label="What happened",
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One or two sentences for the administrator who judges this.",
    )

    def __init__(self, *args: Any, reasons: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"] = forms.ChoiceField(label="Reason", choices=[("", "Choose"), *reasons.items()])


class ReviewForm(forms.Form):
    """Whether it was justified, and why."""

    verdict = forms.ChoiceField(
        label="Judgement", choices=[("justified", "Justified"), ("not", "Not justified")], widget=forms.RadioSelect
    )
    note = forms.CharField(
        label="Note",
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Needed when it was not justified.",
    )
