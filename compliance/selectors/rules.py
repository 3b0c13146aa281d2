"""Reads for rules: the log's records as facts, what rules found, and how they stand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from compliance.models import LogEntry, Patient, RuleState, RuleVersion, User, Violation, ViolationState
from compliance.rulebook.facts import Fact
from compliance.rulebook.language import Rule
from compliance.selectors.people import patients_for, scope_for

VIEW = "compliance.view_report"


def fact_of(entry: LogEntry) -> Fact:
    """Return a record as rules see it. An erased one keeps its place and time, and says nothing else."""
    said = json.loads(entry.record) if entry.record is not None else {}
    user, detail = said.get("user"), said.get("detail")
    return Fact(
        index=entry.leaf_index if entry.leaf_index is not None else -1,
        at_s=entry.at.timestamp(),
        code=str(said.get("code", "")),
        patient=said.get("patient"),
        actor=str(user) if user is not None else None,
        ward=said.get("ward"),
        detail=detail if isinstance(detail, dict) else {},
    )


def violations_for(user: User) -> QuerySet[Violation]:
    """Return the violations that `user` may see: those of their wards, and those of nobody's ward for whoever has one.

    A rule about the whole house (a refused sign-in, a configuration without a ward) belongs to all who read reports.
    """
    scope = scope_for(user, VIEW)
    if scope.empty:
        return Violation.objects.none()
    of_patients = Q(patient__in=patients_for(user, VIEW).values("pk"))
    of_none = Q(patient_id__isnull=True) & (Q(ward_id__in=scope.ward_ids) | Q(ward_id__isnull=True))
    return Violation.objects.filter(of_patients | of_none).select_related("rule", "patient", "settled_by")


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule as the page lists it."""

    row: RuleVersion
    rule: Rule
    open: int
    settled: int


def standings(user: User) -> list[Standing]:
    """Return the rules in force with what `user` may see of their violations."""
    counts = violations_for(user).order_by().values("rule__rule_id", "state").annotate(n=Count("pk"))
    by_rule: dict[tuple[str, bool], int] = {}
    for row in counts:
        key = (row["rule__rule_id"], row["state"] == ViolationState.OPEN)
        by_rule[key] = by_rule.get(key, 0) + row["n"]
    active = RuleVersion.objects.filter(state=RuleState.ACTIVE)
    return [
        Standing(row, row.rule(), by_rule.get((row.rule_id, True), 0), by_rule.get((row.rule_id, False), 0))
        for row in active
    ]


def known_patients(ids: Iterable[str | None]) -> set[UUID]:
    """Return which of these identifiers still belong to a patient: erasure may have been faster than a rule."""
    wanted = {UUID(value) for value in ids if value}
    return set(Patient.objects.filter(pk__in=wanted).values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class ProvenRecord:
    """A record that proves a violation, as the page shows it. `said` is None when it was erased."""

    entry: LogEntry
    said: dict[str, object] | None


def entries_at(indexes: Iterable[int]) -> list[ProvenRecord]:
    """Return the records at these leaves, in the log's order."""
    entries = LogEntry.objects.filter(leaf_index__in=list(indexes)).order_by("leaf_index")
    return [ProvenRecord(entry, json.loads(entry.record) if entry.record is not None else None) for entry in entries]
