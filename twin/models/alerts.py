"""Alerts as stored: the condition, each step of its way to each person, and the limits that raise it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from compliance.models import Patient, User
from compliance.policy import Resource
from devices.models import Device
from twin.alerts.limits import Side
from twin.alerts.priority import Priority

PRIORITIES = [(priority.value, priority.value) for priority in Priority]


class AlertState(models.TextChoices):
    """Where an alert stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


class Alert(models.Model):
    """One alarm condition of one patient, from the reading that raised it until it is over."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="alerts")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, null=True, blank=True, related_name="alerts")
    rule = models.CharField(max_length=64)  # "glucose_low", "device_lost", "dose_missed:81"
    metric = models.CharField(max_length=32, blank=True)  # key in devices.kinds
    priority = models.CharField(max_length=8, choices=PRIORITIES)
    value = models.FloatField(null=True, blank=True)  # the newest value out of limits, in the metric's unit
    message = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=AlertState.choices, default=AlertState.OPEN)
    round = models.PositiveSmallIntegerField(
        default=1
    )  # counts how often it asked for a human: each round is proven anew
    raised_at = models.DateTimeField(default=timezone.now)  # server time
    opened_at = models.DateTimeField(default=timezone.now)  # server time at which the current round began
    event_time = models.DateTimeField()  # device time of the reading that raised it
    last_seen_at = models.DateTimeField()  # device time of the newest reading out of limits
    acknowledged_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    resolution = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["-raised_at"]
        # Two constraints, because NULL never equals NULL: alerts without a device would slip through a single one.
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["patient", "device", "rule"],
                condition=Q(device__isnull=False) & ~Q(state="resolved"),
                name="one_unresolved_alert_per_device_rule",
            ),
            models.UniqueConstraint(
                fields=["patient", "rule"],
                condition=Q(device__isnull=True) & ~Q(state="resolved"),
                name="one_unresolved_alert_per_rule",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "-raised_at"], name="alert_by_state"),
            models.Index(fields=["patient", "state"], name="alert_by_patient"),
            models.Index(fields=["device", "rule", "-raised_at"], name="alert_by_device_rule"),
        ]

    def __str__(self) -> str:
        return f"alert {self.pk} {self.rule} {self.state}"

    @property
    def unresolved(self) -> bool:
        """Tell whether the alert still needs somebody or something."""
        return self.state != AlertState.RESOLVED

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.patient.policy_resource()


class StepKind(models.TextChoices):
    """What happened to an alert on its way to one person, or by that person's hand."""

    RAISED = "raised"  # stored, addressed to this person
    SENT = "sent"  # handed to a connection of this person
    SHOWN = "shown"  # this person's page reported that it is on the screen
    ESCALATED = "escalated"  # nobody acted in time: addressed to this person again
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    REOPENED = "reopened"
    RESOLVED = "resolved"


class Channel(models.TextChoices):
    """The way an alert takes to a person."""

    BROWSER = "browser"
    EMAIL = "email"
    WEBHOOK = "webhook"


class AlertStep(models.Model):
    """Delivery proof: one row per alert, round, person, channel and step."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="steps")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16, choices=StepKind.choices)
    channel = models.CharField(max_length=8, choices=Channel.choices, default=Channel.BROWSER)
    round = models.PositiveSmallIntegerField(default=1)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["at", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["alert", "round", "user", "kind", "channel"], name="one_step_per_person_and_round"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of alert {self.alert_id} for user {self.user_id}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return self.alert.policy_resource()


class AlertLimit(models.Model):
    """A limit somebody set: for one patient, or for the whole house when `patient` is None.

    Replaces the default of the same metric, side and priority; a patient's own row goes before the house's.
    """

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, null=True, blank=True, related_name="alert_limits")
    metric = models.CharField(max_length=32)
    side = models.CharField(max_length=8, choices=[(side.value, side.value) for side in Side])
    priority = models.CharField(max_length=8, choices=PRIORITIES)
    bound = models.FloatField()  # in the metric's unit
    delay_s = models.FloatField(default=0.0)
    set_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["metric", "side", "priority"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["patient", "metric", "side", "priority"],
                condition=Q(patient__isnull=False),
                name="one_limit_per_patient",
            ),
            models.UniqueConstraint(
                fields=["metric", "side", "priority"], condition=Q(patient__isnull=True), name="one_house_limit"
            ),
            models.CheckConstraint(condition=Q(delay_s__gte=0), name="limit_delay_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.side} {self.bound:g} {self.priority}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges: nobody's patient for a house default."""
        return self.patient.policy_resource() if self.patient is not None else Resource()
