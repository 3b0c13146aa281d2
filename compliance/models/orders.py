"""Orders and what was done with them. No row is edited in place: a change is a new version, and a mistake gets an entry
that corrects it."""

from __future__ import annotations

import uuid
from datetime import datetime, time, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import F, Q

from compliance.models.people import Patient, User
from compliance.models.regimens import Intake, Regimen, ScheduledDose
from compliance.orders.formulary import Drug, formulary
from compliance.orders.guard import Check, Terms
from compliance.orders.units import Unit, amount_words
from compliance.policy import Resource

UNITS = [(unit.value, unit.label) for unit in Unit]


class EndReason(models.TextChoices):
    """Why an order holds no more."""

    CHANGED = "changed", "changed"  # a newer version took its place
    DONE = "done", "treatment finished"
    NOT_NEEDED = "not_needed", "no longer needed"
    ADVERSE = "adverse", "side effect or allergy"
    INTERACTION = "interaction", "interaction with another medicine"
    MISTAKE = "mistake", "ordered by mistake"


class MedicationOrder(models.Model):
    """One version of an order: a drug, a dose and limits for one patient. Times and windows are its regimen's.

    `line` is the same for all versions. `ended_at` is the only thing written later: when the version was stopped, or
    replaced by the next one.
    """

    line = models.UUIDField(default=uuid.uuid4)
    version = models.PositiveSmallIntegerField(default=1)
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="orders")
    regimen = models.OneToOneField(Regimen, on_delete=models.CASCADE, related_name="order")
    drug_key = models.CharField(max_length=40)  # in the formulary
    atc = models.CharField(max_length=8)
    dose = models.FloatField()
    unit = models.CharField(max_length=8, choices=UNITS)
    max_single = models.FloatField()
    max_daily = models.FloatField()
    min_interval_minutes = models.PositiveIntegerField()
    high_alert = models.CharField(max_length=24, blank=True)  # class of high-alert medicine
    prescribed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    prescribed_at = models.DateTimeField()
    supersedes = models.OneToOneField(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="superseded_by"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    end_reason = models.CharField(max_length=12, choices=EndReason.choices, blank=True)

    class Meta:
        ordering: ClassVar = ["-prescribed_at"]
        indexes: ClassVar = [models.Index(fields=["patient", "-prescribed_at"], name="order_by_patient")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["line", "version"], name="order_version_once"),
            models.UniqueConstraint(fields=["line"], condition=Q(ended_at__isnull=True), name="one_open_order_version"),
            models.CheckConstraint(
                condition=Q(dose__gt=0, max_single__gte=F("dose"), max_daily__gte=F("dose")), name="order_within_limits"
            ),
        ]

    def __str__(self) -> str:
        return f"order {self.line} version {self.version}"

    @property
    def drug(self) -> Drug | None:
        """The formulary's entry; None when the pharmacy has taken the drug out since."""
        return formulary().get(self.drug_key)

    @property
    def dose_words(self) -> str:
        """The dose with its unit."""
        return amount_words(self.dose, self.unit)

    @property
    def single_words(self) -> str:
        """The limit of a single dose with its unit."""
        return amount_words(self.max_single, self.unit)

    @property
    def daily_words(self) -> str:
        """The limit of 24 hours with its unit."""
        return amount_words(self.max_daily, self.unit)

    @property
    def ends_at(self) -> datetime | None:
        """The end of the order's last day, on the patient's clock."""
        if self.regimen.ends_on is None:
            return None
        after = self.regimen.ends_on + timedelta(days=1)
        return datetime.combine(after, time(), tzinfo=ZoneInfo(self.patient.time_zone))

    def terms(self) -> Terms:
        """Return what the dose guard judges by."""
        return Terms(
            unit=self.unit,
            max_single=self.max_single,
            max_daily=self.max_daily,
            min_interval=timedelta(minutes=self.min_interval_minutes),
            starts_at=self.prescribed_at,
            ends_at=self.ends_at,
            stopped_at=self.ended_at,
            high_alert=bool(self.high_alert),
        )

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()


class DoseCheck(models.Model):
    """A second person looked at a dose of a high-alert medicine before it is given: right patient, drug and amount."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="+")
    order = models.ForeignKey(MedicationOrder, on_delete=models.CASCADE, related_name="checks")
    dose = models.ForeignKey(ScheduledDose, on_delete=models.CASCADE, related_name="checks")
    amount = models.FloatField()
    checked_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    checked_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-checked_at"]

    def __str__(self) -> str:
        return f"check {self.pk} of dose {self.dose_id}"

    def seen(self) -> Check:
        """Return what the dose guard judges; a check by an account that is gone was made by nobody it could name."""
        return Check(self.checked_by_id or 0, self.checked_at, self.amount)

    @property
    def amount_words(self) -> str:
        """The checked amount with its unit."""
        return amount_words(self.amount, self.order.unit)

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()


class Outcome(models.TextChoices):
    """What became of a dose."""

    GIVEN = "given", "given"
    WITHHELD = "withheld", "withheld"
    REFUSED = "refused", "refused by the patient"
    VOID = "void", "entered by mistake"  # only as a correction: nothing of the kind happened


class OutcomeReason(models.TextChoices):
    """Why a dose was withheld or refused, or an entry corrected. Coded: free text would carry patient data around."""

    VITALS = "vitals", "vital signs out of range"
    LABORATORY = "laboratory", "laboratory value"
    FASTING = "fasting", "patient is fasting"
    ASLEEP = "asleep", "patient asleep or away"
    UNAVAILABLE = "unavailable", "medicine not available"
    ON_ADVICE = "on_advice", "physician asked to wait"
    SIDE_EFFECT = "side_effect", "side effect feared or felt"
    UNWANTED = "unwanted", "patient did not want it"
    MISTAKE = "mistake", "did not happen"
    WRONG_PATIENT = "wrong_patient", "entered for the wrong patient"
    WRONG_AMOUNT = "wrong_amount", "wrong amount or time entered"
    ENTERED_TWICE = "entered_twice", "entered twice"


class Administration(models.Model):
    """One entry about one dose. `corrects` names the entry that this one takes the place of."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="administrations")
    order = models.ForeignKey(MedicationOrder, on_delete=models.CASCADE, related_name="administrations")
    dose = models.ForeignKey(ScheduledDose, on_delete=models.CASCADE, related_name="administrations")
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    reason = models.CharField(max_length=16, choices=OutcomeReason.choices, blank=True)
    amount = models.FloatField(default=0.0)  # in the order's unit; zero unless given
    at = models.DateTimeField()  # when it happened
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    check_used = models.OneToOneField(
        DoseCheck, on_delete=models.SET_NULL, null=True, blank=True, related_name="administration"
    )
    corrects = models.OneToOneField(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="corrected_by"
    )
    intake = models.OneToOneField(
        Intake, on_delete=models.SET_NULL, null=True, blank=True, related_name="administration"
    )

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        indexes: ClassVar = [models.Index(fields=["patient", "-at"], name="administration_by_patient")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(outcome="given", amount__gt=0) | ~Q(outcome="given") & Q(amount=0),
                name="administration_amount_when_given",
            ),
            models.CheckConstraint(
                condition=Q(outcome="given") | ~Q(reason=""), name="administration_says_why_not_given"
            ),
            models.CheckConstraint(
                condition=~Q(outcome="void") | Q(corrects__isnull=False), name="administration_void_corrects"
            ),
        ]

    def __str__(self) -> str:
        return f"administration {self.pk} of dose {self.dose_id}: {self.outcome}"

    @property
    def amount_words(self) -> str:
        """The amount with its unit."""
        return amount_words(self.amount, self.order.unit)

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()
