"""What is asked when a patient calls something wrong, and when it is answered."""

from __future__ import annotations

from django import forms

from compliance.privacy.corrections import WORDS


def _lines(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows})


class CorrectionForm(forms.Form):
    """Which part, what stands there, and what is right."""

    part = forms.ChoiceField(label="What is wrong?", choices=[("", "Choose"), *WORDS.items()])
    stands = forms.CharField(
        label="What stands there",
        max_length=2000,
        widget=_lines(2),
        help_text="As you read it in your record. For a dose, a value or an image say also when it was.",
    )
    right = forms.CharField(
        label="What is right",
        max_length=2000,
        widget=_lines(2),
        help_text="For a name, a date, sex, weight or bed write only the right one, such as 1961-05-17 or 71.5.",
    )


class AcceptForm(forms.Form):
    """What the patient reads when it is accepted."""

    answer = forms.CharField(
        label="Answer to the patient, if you like",
        max_length=2000,
        required=False,
        widget=_lines(2),
        help_text="Without one the patient reads what was done.",
    )
    sure = forms.BooleanField(label="I checked it against a paper, a person or the record.")


class DisagreeForm(forms.Form):
    """What the patient says to a refusal."""

    words = forms.CharField(
        label="Your statement",
        max_length=2000,
        widget=_lines(4),
        help_text="It stands with your record from now on, as you write it, and is in every copy of it.",
    )
