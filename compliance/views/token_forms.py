"""Forms of the tokens page."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from compliance.fhir.registry import registered
from compliance.fhir.scopes import Context, ScopeWrong, parse_scope, parse_scopes
from compliance.models import Patient, Ward
from compliance.policy import Role
from compliance.selectors import patients_for
from compliance.services.fhir_clients import ClientRefused, check_jwks

DAYS = [(1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")]
ROLES = [(role.value, role.value) for role in (Role.NURSE, Role.PHYSICIAN, Role.ADMINISTRATOR)]
LARGEST_JWKS = 20_000


class ScopesField(forms.CharField):
    """A list of scopes, written back in their newer form."""

    def clean(self, value: Any) -> str:
        """Return the scopes that the text lists."""
        text = str(super().clean(value))
        try:
            return " ".join(map(str, parse_scopes(text, set(registered()))))
        except ScopeWrong as error:
            raise ValidationError(error.message) from error


class TokenForm(forms.Form):
    """A personal token: what it is for, what it may do, and for how long."""

    label = forms.CharField(max_length=80, label="What is it for?")
    scopes = ScopesField(max_length=1000, label="Scopes", initial="user/*.rs")
    days = forms.TypedChoiceField(choices=DAYS, coerce=int, initial=7, label="Lasts")
    patient = forms.UUIDField(required=False, label="Only for this patient (number in the page's address)")

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user, self.own = user, user.own_patient if user.role == Role.PATIENT else None
        if self.own is not None:  # a patient's token is for the own record, whatever is typed
            del self.fields["patient"]
            self.fields["scopes"].initial = "patient/*.rs"

    def clean_scopes(self) -> str:
        """Refuse what only services have."""
        scopes = str(self.cleaned_data["scopes"])
        if f"{Context.SYSTEM}/" in scopes:
            raise ValidationError("A person's token has user/ or patient/ scopes; system/ is for backend services.")
        if self.own is not None and not _only_reads_own(scopes):
            raise ValidationError("Your token reads your own record: patient/*.rs, or patient/ with single types.")
        return scopes

    def clean(self) -> dict[str, Any]:
        """Tie `patient/` scopes to a patient that the person may see."""
        cleaned = super().clean() or {}
        if self.own is not None:
            return cleaned | {"patient": self.own}
        key, scopes = cleaned.get("patient"), cleaned.get("scopes", "")
        found: Patient | None = patients_for(self.user).filter(pk=key).first() if key else None
        if key and found is None:
            self.add_error("patient", "There is no such patient that you may see.")
        if f"{Context.PATIENT}/" in scopes and key is None:
            self.add_error("patient", "A patient/ scope needs a patient.")
        return cleaned | {"patient": found}


def _only_reads_own(scopes: str) -> bool:
    found = [parse_scope(word) for word in scopes.split()]
    return all(scope.context is Context.PATIENT and set(scope.letters) <= {"r", "s"} for scope in found)


class ClientForm(forms.Form):
    """A backend service: its name, keys, scopes, and as whom it acts where."""

    name = forms.CharField(max_length=80, label="Name")
    scopes = ScopesField(max_length=1000, label="Scopes at most", initial="system/*.rs")
    role = forms.ChoiceField(choices=ROLES, label="Acts as")
    ward = forms.ModelChoiceField(queryset=Ward.objects.none(), label="On ward")
    shares_outside = forms.BooleanField(required=False, label="It carries data out of this house")
    jwks = forms.CharField(
        max_length=LARGEST_JWKS, widget=forms.Textarea(attrs={"rows": 6}), label="Public keys (JWKS)"
    )

    def __init__(self, *args: Any, wards: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["ward"].queryset = wards  # type: ignore[attr-defined]

    def clean_jwks(self) -> dict[str, Any]:
        """Return the keys."""
        try:
            return check_jwks(json.loads(self.cleaned_data["jwks"]))
        except (ValueError, RecursionError) as error:
            raise ValidationError("This is not JSON.") from error
        except ClientRefused as error:
            raise ValidationError(error.message) from error
