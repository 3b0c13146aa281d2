"""Users, wards, patients, and who cares for whom."""

from __future__ import annotations

import uuid
from datetime import date
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from compliance.errors import SealedFieldAltered, SubjectErased
from compliance.models.moments import ChangedAtField
from compliance.models.sealed import BlindIndexField, SealedDateField, SealedTextField, SubjectKeyField
from compliance.policy import Resource, Role


def check_time_zone(name: str) -> None:
    """Raise ValidationError unless `name` is an IANA time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValidationError(f"'{name}' is not a time zone; try Europe/Berlin.") from error


class User(AbstractUser):
    """A person who signs in. The role says what for; care relationships say for whom."""

    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role], default=Role.NONE.value)
    own_patient = models.OneToOneField(  # who this person is as a patient; set for the role patient alone
        "Patient", on_delete=models.SET_NULL, null=True, blank=True, related_name="account"
    )

    @property
    def display_name(self) -> str:
        """Full name, or the sign-in name where none was given.

        A patient's account holds no name: it would be a second copy, unsealed, and every list of accounts would be a
        look at a record.
        """
        return self.get_full_name() or self.username


class Ward(models.Model):
    """A ward: where patients lie and gateways hang."""

    name = models.CharField(max_length=80, unique=True)

    def __str__(self) -> str:
        return self.name


class Sex(models.TextChoices):
    """Administrative sex, as in FHIR R4."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


UNREADABLE, ERASED = "Name unreadable", "Erased person"


class Patient(models.Model):
    """A person in care. The random identifier is the only one that may stand in a URL or a log.

    What says who it is lies sealed under a key of the person's own (`compliance/models/sealed.py`).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    medical_record_number = SealedTextField()
    given_name = SealedTextField()
    family_name = SealedTextField()
    birth_date = SealedDateField()
    subject_key = SubjectKeyField(null=True, editable=False)
    record_number_index = BlindIndexField(source="medical_record_number", max_length=64, unique=True, editable=False)
    sex = models.CharField(max_length=8, choices=Sex.choices, default=Sex.UNKNOWN)
    weight_kg = models.FloatField(null=True, blank=True)
    ward = models.ForeignKey(Ward, on_delete=models.PROTECT, related_name="patients")
    bed = models.CharField(max_length=16, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    conditions = models.CharField(max_length=200, blank=True)  # one line for the ward board
    erased_at = models.DateTimeField(null=True, blank=True)  # then nothing above tells who this was
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)  # when the record was made
    changed_at = ChangedAtField(made="recorded_at", editable=False)  # when it was last corrected
    edition = models.PositiveIntegerField(default=1, editable=False)  # one more with each correction

    class Meta:
        ordering = ["bed", "id"]  # by name is for whoever may read names: compliance.selectors.identities

    def __str__(self) -> str:
        return str(self.id)  # names must not reach logs through a stray %s

    @property
    def name(self) -> str:
        """Name as shown on pages. One that does not open leaves the page standing: an alarm may be on it."""
        try:
            return f"{self.given_name} {self.family_name}"
        except SealedFieldAltered:
            return UNREADABLE
        except SubjectErased:
            return ERASED

    @property
    def sort_name(self) -> tuple[str, str]:
        """What lists of people are sorted by; unreadable names come last."""
        try:
            return self.family_name.casefold(), self.given_name.casefold()
        except (SealedFieldAltered, SubjectErased):
            return "\U0010ffff", ""

    def age_years(self, today: date) -> int:
        """Return completed years of life on `today`."""
        had_birthday = (today.month, today.day) >= (self.birth_date.month, self.birth_date.day)
        return today.year - self.birth_date.year - (not had_birthday)

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return Resource(patient_id=self.id, ward_id=self.ward_id)


class CareRelationship(models.Model):
    """A user works on a ward, or is linked to one patient, from a moment until another."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="care_relationships")
    ward = models.ForeignKey(Ward, on_delete=models.CASCADE, null=True, blank=True)
    patient = models.ForeignKey(
        Patient, on_delete=models.CASCADE, null=True, blank=True, related_name="care_relationships"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ward__isnull=False, patient__isnull=True) | Q(ward__isnull=True, patient__isnull=False),
                name="care_relationship_has_ward_or_patient",
            )
        ]

    def __str__(self) -> str:
        return f"user {self.user_id} -> ward {self.ward_id} or patient {self.patient_id}"
