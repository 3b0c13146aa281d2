"""Medication as planned, taken and expected: regimens, doses, intakes, risk."""

from __future__ import annotations

from datetime import time, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from compliance.adherence.fusion import Finding
from compliance.adherence.measures import DoseState
from compliance.adherence.schedule import EVERY_DAY, Plan
from compliance.models.people import Patient, User
from compliance.policy import Resource


def check_times(value: object) -> None:
    """Raise ValidationError unless `value` is a list of different clock times such as "08:00"."""
    try:
        times = [time.fromisoformat(entry) for entry in value]  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise ValidationError('Times look like ["08:00", "20:00"].') from error
    if not times or len(set(times)) != len(times) or any(entry.tzinfo for entry in times):
        raise ValidationError("Name each time of day once, without a time zone.")


class Medication(models.Model):
    """A medicine in one strength and form. `unit_weight_g` is what one tablet weighs on the pillbox's tray; None where
    there are no tablets."""

    name = models.CharField(max_length=80)
    strength = models.CharField(max_length=40, blank=True)
    form = models.CharField(max_length=24, default="tablet")
    unit_weight_g = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0.01)])

    class Meta:
        ordering: ClassVar = ["name", "strength"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "strength", "form"], name="medication_once"),
            models.CheckConstraint(condition=Q(unit_weight_g__gt=0), name="medication_weighs_something"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.strength}".strip()


class Regimen(models.Model):
    """One medicine for one patient: how much, at which clock times of the patient's time zone, in which window."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="regimens")
    medication = models.ForeignKey(Medication, on_delete=models.PROTECT, related_name="regimens")
    units_per_dose = models.FloatField(default=1.0, validators=[MinValueValidator(0.25)])
    times = models.JSONField(validators=[check_times])  # ["08:00", "20:00"]
    weekdays = models.JSONField(null=True, blank=True)  # [0..6], Monday first; null is every day
    early_minutes = models.PositiveIntegerField(default=60, validators=[MinValueValidator(1)])
    late_minutes = models.PositiveIntegerField(default=60, validators=[MinValueValidator(1), MaxValueValidator(720)])
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    in_pillbox = models.BooleanField(default=True)  # otherwise only a person can enter an intake
    stopped_at = models.DateTimeField(null=True, blank=True)  # no dose is planned any more
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["medication__name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")), name="regimen_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(units_per_dose__gt=0, early_minutes__gt=0, late_minutes__gt=0), name="regimen_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"regimen {self.pk}"

    @property
    def dose_weight_g(self) -> float:
        """What one dose weighs; nothing where there are no tablets to weigh."""
        return self.units_per_dose * (self.medication.unit_weight_g or 0.0)

    def plan(self) -> Plan:
        """Return the schedule in the patient's time zone. Raises ValueError when the stored times make none."""
        return Plan(
            times=tuple(time.fromisoformat(entry) for entry in self.times),
            time_zone=ZoneInfo(self.patient.time_zone),
            starts_on=self.starts_on,
            ends_on=self.ends_on,
            weekdays=EVERY_DAY if self.weekdays is None else frozenset(self.weekdays),
            early=timedelta(minutes=self.early_minutes),
            late=timedelta(minutes=self.late_minutes),
        )

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()


class IntakeSource(models.TextChoices):
    """Who says so."""

    PILLBOX = "pillbox"
    MANUAL = "manual"
    SYNTHETIC = "synthetic"  # made by a generator for a demonstration


class Intake(models.Model):
    """What was seen at a pillbox, or entered by a person. Never deleted: an entry taken back is marked as withdrawn.

    `device_id` and `seq` name the reading that opened the lid, which makes recording idempotent, and lead to the
    evidence.
    """

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="intakes")
    source = models.CharField(max_length=12, choices=IntakeSource.choices)
    finding = models.CharField(max_length=12, choices=[(entry.value, entry.value) for entry in Finding])
    confidence = models.FloatField()  # posterior probability of the finding; 1 for a person's word
    at = models.DateTimeField()  # event time: when it happened, not when we heard
    recorded_at = models.DateTimeField()
    # The medicine that a person named; it outlives the entry's withdrawal, which frees the dose.
    regimen = models.ForeignKey(Regimen, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    device_id = models.BigIntegerField(null=True, blank=True)
    seq = models.BigIntegerField(null=True, blank=True)
    last_seq = models.BigIntegerField(null=True, blank=True)  # the reading that closed the lid
    weight_drop_g = models.FloatField(null=True, blank=True)
    hand_seen = models.BooleanField(null=True, blank=True)
    recorded_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering: ClassVar = ["-at"]
        indexes: ClassVar = [models.Index(fields=["patient", "-at"], name="intake_by_patient")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device_id", "seq"], name="intake_once"),
            models.CheckConstraint(condition=Q(confidence__gte=0, confidence__lte=1), name="intake_confidence_share"),
            models.CheckConstraint(
                condition=~Q(source="pillbox") | Q(device_id__isnull=False, seq__isnull=False),
                name="intake_of_pillbox_names_reading",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.finding} at {self.at:%Y-%m-%d %H:%M} ({self.source})"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()


class ScheduledDose(models.Model):
    """One dose that was or will be due, with its window and what became of it."""

    regimen = models.ForeignKey(Regimen, on_delete=models.CASCADE, related_name="doses")
    # The regimen's patient again: every list of doses is a list of one patient's doses in order of time.
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="doses")
    due_at = models.DateTimeField()
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    local_date = models.DateField()  # day of the patient's calendar that the dose belongs to
    state = models.CharField(
        max_length=8, choices=[(state.value, state.value) for state in DoseState], default=DoseState.PENDING.value
    )
    intake = models.ForeignKey(Intake, on_delete=models.SET_NULL, null=True, blank=True, related_name="doses")
    changed_at = models.DateTimeField()
    single = models.BooleanField(default=False)  # ordered once, outside the regimen's clock times
    synthetic = models.BooleanField(default=False)  # made by a generator, not lived

    class Meta:
        ordering: ClassVar = ["due_at"]
        indexes: ClassVar = [
            models.Index(fields=["patient", "due_at"], name="dose_by_patient"),
            models.Index(fields=["state", "closes_at"], name="dose_by_state"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["regimen", "due_at"], name="dose_once"),
            models.CheckConstraint(
                condition=Q(opens_at__lt=F("due_at"), closes_at__gt=F("due_at")), name="dose_window_around_due"
            ),
        ]

    def __str__(self) -> str:
        return f"dose {self.pk} due {self.due_at:%Y-%m-%d %H:%M} ({self.state})"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()


class RiskEstimate(models.Model):
    """How likely a dose was thought to be missed, and the factors that drove the number.

    factors: a list of {"name", "sentence", "log_odds"}; the sum of all factors' log-odds and the average person's is
    the prediction's. synthetic: the model learnt from generated histories.
    """

    dose = models.ForeignKey(ScheduledDose, on_delete=models.CASCADE, related_name="risks")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="risks")
    probability = models.FloatField()
    usual = models.FloatField()  # the same model's answer for the average person
    factors = models.JSONField()
    model_version = models.CharField(max_length=40)
    synthetic = models.BooleanField(default=True)
    computed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-computed_at"]
        indexes: ClassVar = [models.Index(fields=["patient", "-computed_at"], name="risk_by_patient")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dose", "model_version"], name="risk_once_per_dose_and_model"),
            models.CheckConstraint(condition=Q(probability__gte=0, probability__lte=1), name="risk_is_share"),
        ]

    def __str__(self) -> str:
        return f"risk {self.probability:.2f} for dose {self.dose_id}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()
