"""What is asked before a record is erased or held, and when a request comes on paper."""

from __future__ import annotations

from django import forms

from compliance.privacy.grounds import GROUNDS, UNBOUND
from compliance.privacy.requests import RequestKind
from compliance.views.privacy_request_words import KINDS

ON_PAPER = (RequestKind.ERASURE, RequestKind.RESTRICTION, RequestKind.OBJECTION)


class AskErasureForm(forms.Form):
    """What a patient reads and agrees to before asking."""

    words = forms.CharField(
        label="Why, if you like to say",
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="You do not have to. It is erased too.",
    )
    sure = forms.BooleanField(label="I have read what is erased, and that nobody can bring it back.")


class ApproveForm(forms.Form):
    """On what ground, whether the law keeps something, and what the patient reads."""

    ground = forms.ChoiceField(label="Ground", choices=[("", "Choose"), *GROUNDS.items()])
    unbound = forms.ChoiceField(
        label="What the law keeps", choices=list(UNBOUND.items()), required=False, widget=forms.RadioSelect
    )
    answer = forms.CharField(
        label="Answer to the patient",
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Tell the patient on paper too: the own page closes with the record.",
    )
    sure = forms.BooleanField(label="I checked who asked. Erasing cannot be undone.")


class RefuseForm(forms.Form):
    """Why not."""

    answer = forms.CharField(
        label="Why not", max_length=2000, widget=forms.Textarea(attrs={"rows": 3}), help_text="The patient reads this."
    )


class ReasonForm(forms.Form):
    """Why a hold is placed or lifted."""

    reason = forms.CharField(label="Reason", max_length=240, help_text="Such as the number of the case.")


class PaperForm(forms.Form):
    """A request that came on paper or by word of mouth."""

    kind = forms.ChoiceField(label="What is asked for", choices=[(kind.value, KINDS[kind]) for kind in ON_PAPER])
    words = forms.CharField(
        label="In the patient's words", max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )


class FindForm(forms.Form):
    """Whose record."""

    record_number = forms.CharField(label="Medical record number", max_length=32)
