"""What may be said about a person, field by field: whatever else a request carries is not looked at."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.db.models import QuerySet

from compliance.models import Patient, Ward
from compliance.policy import Role
from compliance.selectors.identities import by_name

# A patient's account belongs to a record, which `manage.py add_person --record-number` ties to it.
ROLES = [(role.value, role.value.capitalize()) for role in Role if role not in {Role.PATIENT, Role.NONE}]
MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class PersonForm(forms.Form):
    """A new person."""

    username = forms.CharField(
        label="Sign-in name",
        max_length=40,
        validators=[RegexValidator(r"^[a-z][a-z0-9._-]+\Z", "Small letters, digits, dot, dash; a letter first.")],
    )
    given_name = forms.CharField(label="Given name", max_length=80, required=False)
    family_name = forms.CharField(label="Family name", max_length=80, required=False)
    role = forms.ChoiceField(label="Role", choices=ROLES)


class RoleForm(forms.Form):
    """Another role."""

    role = forms.ChoiceField(label="Role", choices=[*ROLES, (Role.NONE.value, "None: may do nothing here")])


class PatientChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not subscriptable when it runs
    """A choice among patients, by name."""

    def label_from_instance(self, obj: Patient) -> str:
        """Return the name as pages show it."""
        return obj.name


class LinkForm(forms.Form):
    """A link to a ward or to one patient."""

    ward = forms.ModelChoiceField(Ward.objects.order_by("name"), label="Ward", required=False)
    patient = PatientChoice(Patient.objects.none(), label="or one patient", required=False)
    starts_at = forms.DateTimeField(label="From (UTC)", widget=MOMENT)
    ends_at = forms.DateTimeField(label="Until (UTC)", widget=MOMENT, required=False)

    def __init__(self, *args: Any, patients: QuerySet[Patient], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = PatientChoice(patients, label="or one patient", required=False)
        choice.choices = [("", "---------"), *((patient.pk, patient.name) for patient in by_name(patients))]
        self.fields["patient"] = choice


class ShiftForm(forms.Form):
    """A shift."""

    starts_at = forms.DateTimeField(label="From (UTC)", widget=MOMENT)
    ends_at = forms.DateTimeField(label="Until (UTC)", widget=MOMENT)
