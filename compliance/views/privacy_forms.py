"""What is asked when a patient's request is made and when it is answered."""

from __future__ import annotations

from django import forms

from compliance.privacy.requests import RequestKind
from compliance.views.privacy_request_words import KINDS

ASKED_HERE = (RequestKind.RESTRICTION, RequestKind.OBJECTION)


class AskForm(forms.Form):
    """What a patient asks for. Kinds that need more are asked for on a page of their own."""

    kind = forms.ChoiceField(label="What do you ask for?", choices=[(kind.value, KINDS[kind]) for kind in ASKED_HERE])
    words = forms.CharField(
        label="In your words",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Which part of your record, and why. Only those who answer read this.",
    )


class DecisionForm(forms.Form):
    """Yes or no, and what the patient reads."""

    verdict = forms.ChoiceField(
        label="Decision", choices=[("yes", "Grant it"), ("no", "Refuse it")], widget=forms.RadioSelect
    )
    answer = forms.CharField(
        label="Answer to the patient",
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The patient reads this. Needed when you refuse: say why.",
    )


class ExtendForm(forms.Form):
    """Why it takes longer."""

    because = forms.CharField(
        label="Why it takes longer", max_length=240, help_text="Once, by two months. The patient reads it."
    )


class DoneForm(forms.Form):
    """What was done."""

    answer = forms.CharField(
        label="What was done",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The patient reads this.",
    )
