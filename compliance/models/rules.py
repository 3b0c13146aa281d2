"""Rules in force and in draft, how far each has read the log, and what it found."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from compliance.models.people import Patient, User
from compliance.policy import Resource
from compliance.rulebook.language import Rule, Severity
from compliance.rulebook.reading import read_rules

SEVERITIES = [(severity.value, severity.value) for severity in Severity]


class RuleState(models.TextChoices):
    """Whether a version of a rule reads the log."""

    ACTIVE = "active"
    RETIRED = "retired"  # a newer version took its place, or somebody switched it off


class RuleVersion(models.Model):
    """One version of a rule, its text, and where it stands in the log.

    `next_index` and `engine` are written in the transaction that stores what was found up to there: a process killed in
    between begins again at the same record and finds the same.
    """

    rule_id = models.CharField(max_length=40)
    version = models.PositiveIntegerField()
    text = models.TextField()  # a TOML document with this rule alone
    severity = models.CharField(max_length=8, choices=SEVERITIES)
    state = models.CharField(max_length=8, choices=RuleState.choices, default=RuleState.ACTIVE)
    next_index = models.BigIntegerField(default=0)
    engine = models.JSONField(null=True)  # None before the first record
    judged = models.BigIntegerField(default=0)
    read_at = models.DateTimeField(null=True, blank=True)  # when the log was last read to its end
    switched_on_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    switched_on_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["rule_id", "-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rule_id", "version"], name="rule_version_once"),
            models.UniqueConstraint(
                fields=["rule_id"], condition=models.Q(state="active"), name="one_active_version_per_rule"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} version {self.version}"

    def rule(self) -> Rule:
        """Return the rule that the text says. Raises RuleWrong when this house no longer speaks its language."""
        (rule,) = read_rules(self.text)
        return rule


class ViolationState(models.TextChoices):
    """Where a violation stands."""

    OPEN = "open"
    EXPLAINED = "explained"  # it happened, and there was a reason
    CLOSED = "closed"  # it happened, and something was done


class Violation(models.Model):
    """A record that did not meet a demand of a rule, with the leaves of the log that prove it."""

    rule = models.ForeignKey(RuleVersion, on_delete=models.PROTECT, related_name="violations")
    leaf_index = models.BigIntegerField()  # the record judged
    demand = models.CharField(max_length=40)
    sentence = models.CharField(max_length=200)
    indexes = models.JSONField()  # leaf indexes of all records that prove it, ascending
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, null=True, blank=True, related_name="violations")
    ward_id = models.BigIntegerField(null=True, blank=True)
    actor_id = models.BigIntegerField(null=True, blank=True)  # whose record was judged
    happened_at = models.DateTimeField()
    found_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=12, choices=ViolationState.choices, default=ViolationState.OPEN)
    reason = models.CharField(max_length=240, blank=True)
    settled_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-happened_at", "-pk"]
        indexes: ClassVar = [
            models.Index(fields=["state", "-happened_at"], name="violation_by_state"),
            models.Index(fields=["ward_id", "-happened_at"], name="violation_by_ward"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rule", "leaf_index", "demand"], name="violation_once"),
            models.CheckConstraint(
                condition=models.Q(state="open") | ~models.Q(reason=""), name="violation_settled_with_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"violation {self.pk} of rule {self.rule_id} at leaf {self.leaf_index}"

    def policy_resource(self) -> Resource:
        """Return what the policy judges."""
        return Resource(patient_id=self.patient_id, ward_id=self.ward_id)


class TrialState(models.TextChoices):
    """How far the trial of a draft is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class RuleTrial(models.Model):
    """A draft of a rule that reads the past log. Nothing that it finds accuses anybody.

    Like a rule in force it is read in batches, each with what was found and how far it got in one transaction.
    """

    text = models.TextField()
    days = models.PositiveSmallIntegerField()  # records of so many last days are judged; earlier ones set the terms
    since = models.DateTimeField()
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=12, choices=TrialState.choices, default=TrialState.WAITING)
    size = models.BigIntegerField()  # of the log when it began
    next_index = models.BigIntegerField(default=0)
    engine = models.JSONField(null=True)
    judged = models.BigIntegerField(default=0)
    broken = models.BigIntegerField(default=0)
    findings = models.JSONField(default=list)  # the first of them: sentence, index, indexes
    begun_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-begun_at"]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="trial_under_way", condition=models.Q(state__in=["waiting", "running"]))
        ]

    def __str__(self) -> str:
        return f"trial {self.pk}"

    @property
    def under_way(self) -> bool:
        """Tell whether it is still read."""
        return self.state in {TrialState.WAITING, TrialState.RUNNING}

    @property
    def percent(self) -> int:
        """How much of the log has been read."""
        return 100 if self.size == 0 else min(100, 100 * self.next_index // self.size)
