"""Users, wards, patients, and who cares for whom."""

from __future__ import annotations

import uuid
from datetime import date
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

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

    @property
    def display_name(self) -> str:
        """Full name, or the sign-in name where none was given."""
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


class Patient(models.Model):
    """A person in care. The random identifier is the only one that may stand in a URL or a log."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    medical_record_number = models.CharField(max_length=32, unique=True)
    given_name = models.CharField(max_length=80)
    family_name = models.CharField(max_length=80)
    birth_date = models.DateField()
    sex = models.CharField(max_length=8, choices=Sex.choices, default=Sex.UNKNOWN)
    weight_kg = models.FloatField(null=True, blank=True)
    ward = models.ForeignKey(Ward, on_delete=models.PROTECT, related_name="patients")
    bed = models.CharField(max_length=16, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    conditions = models.CharField(max_length=200, blank=True)  # one line for the ward board

    class Meta:
        ordering = ["family_name", "given_name"]

    def __str__(self) -> str:
        return str(self.id)  # names must not reach logs through a stray %s

    @property
    def name(self) -> str:
        """Name as shown on pages."""
        return f"{self.given_name} {self.family_name}"

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
