"""Read the log with every rule in force, store what they find, and let people settle it."""

from __future__ import annotations

import logging
from collections.abc import Container
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from compliance.errors import ReasonNeeded, RuleRefused
from compliance.models import (
    EventCategory,
    LogEntry,
    NoticePriority,
    RuleState,
    RuleVersion,
    User,
    Violation,
    ViolationState,
)
from compliance.rulebook.engine import Engine, Finding
from compliance.rulebook.language import Rule
from compliance.rulebook.reading import RuleWrong, house_documents, read_rules
from compliance.selectors.log import records_since
from compliance.selectors.rules import fact_of, known_patients
from compliance.services.events import record_event
from compliance.services.notices import raise_notice

log = logging.getLogger(__name__)
BATCH = 500
MOST_A_TURN = 20_000  # records per rule and turn: a turn of the worker stays short, the next one goes on
REASON_MAX = 240


def evaluate_rules() -> int:
    """Read on with every rule in force; return how many violations were found. Safe to run twice, and at once."""
    ensure_house_rules()
    found = 0
    for pk in RuleVersion.objects.filter(state=RuleState.ACTIVE).values_list("pk", flat=True):
        try:
            found += _read_to_the_end(pk)
        except RuleWrong as error:  # a text of another version of the language stops nobody else
            log.error("rule version %s cannot be read: %s", pk, error)
    return found


def _read_to_the_end(pk: int) -> int:
    found = 0
    for _ in range(max(1, MOST_A_TURN // BATCH)):
        read, violations = _read_on(pk)
        found += violations
        if read < BATCH:
            break
    return found


@transaction.atomic
def _read_on(pk: int) -> tuple[int, int]:
    """Read one batch with one rule; what it found and how far it got stand or fall together.

    Returns how many records were read and how many violations stored; nothing when another process is reading.
    """
    row = RuleVersion.objects.select_for_update(skip_locked=True).filter(pk=pk, state=RuleState.ACTIVE).first()
    if row is None:
        return 0, 0
    entries = records_since(row.next_index, BATCH)
    engine = Engine(row.rule())
    if row.engine is not None:
        engine.load(row.engine)
    stored = _store(row, engine.feed(fact_of(entry) for entry in entries))
    if entries:
        row.next_index = _after(entries)
    elif engine.waits_since(timezone.now().timestamp()):
        _tell_the_time()
    row.engine, row.judged, row.read_at = engine.dump(), engine.count, timezone.now()
    row.save(update_fields=["engine", "judged", "next_index", "read_at"])
    return len(entries), stored


def _after(entries: list[LogEntry]) -> int:
    last = entries[-1].leaf_index
    assert last is not None  # noqa: S101 records_since returns entries that have their place
    return last + 1


def _tell_the_time() -> None:
    """Let the log say how late it is: a deadline passes by the log's time, and a quiet log says nothing."""
    record_event(category=EventCategory.OPERATION, code="clock_told", message="Nothing happened until now.", fold=True)


def _store(row: RuleVersion, findings: list[Finding]) -> int:
    if not findings:
        return 0
    patients = known_patients(finding.patient for finding in findings)
    rows = [_violation(row, finding, patients) for finding in findings]
    before = Violation.objects.filter(rule=row).count()
    Violation.objects.bulk_create(rows, ignore_conflicts=True)
    for ward_id in sorted({finding.ward for finding in findings}, key=lambda ward: ward or 0):
        raise_notice(
            code="rule_broken",
            subject=f"{row.rule_id}/{ward_id or 'house'}",
            message=f"A rule of compliance was broken: {row.rule().title}. Look at it and explain or close it.",
            priority=NoticePriority(row.severity),
            ward_id=ward_id,
            link=f"/rules/violations/?rule={row.rule_id}",
        )
    return Violation.objects.filter(rule=row).count() - before


def _violation(row: RuleVersion, finding: Finding, patients: Container[UUID | None]) -> Violation:
    patient = UUID(finding.patient) if finding.patient else None
    return Violation(
        rule=row,
        leaf_index=finding.index,
        demand=finding.demand,
        sentence=finding.sentence,
        indexes=list(finding.indexes),
        patient_id=patient if patient in patients else None,
        ward_id=finding.ward,
        actor_id=int(finding.actor) if finding.actor else None,
        happened_at=datetime.fromtimestamp(finding.at_s, tz=UTC),
    )


def ensure_house_rules() -> None:
    """Switch on the rules that ship with the house; a newer version takes the place of the one before.

    Where a hospital wrote a newer version of its own, that one stays.
    """
    for rule, text in house_documents():
        if not RuleVersion.objects.filter(rule_id=rule.id, version__gte=rule.version).exists():
            switch_on(rule=rule, text=text, user=None)


@transaction.atomic
def switch_on(*, rule: Rule, text: str, user: User | None) -> RuleVersion:
    """Put a rule in force. It reads the log from its beginning, so that its verdicts can be repeated by anybody.

    Raises RuleRefused when this version, or a newer one, is there already.
    """
    newest = RuleVersion.objects.select_for_update().filter(rule_id=rule.id).order_by("-version").first()
    if newest is not None and newest.version >= rule.version:
        raise RuleRefused(f"Version {newest.version} of this rule is there already: give yours a higher number.")
    RuleVersion.objects.filter(rule_id=rule.id, state=RuleState.ACTIVE).update(state=RuleState.RETIRED)
    row = RuleVersion.objects.create(
        rule_id=rule.id, version=rule.version, text=text, severity=rule.severity.value, switched_on_by=user
    )
    record_event(
        category=EventCategory.SECURITY,
        code="rule_switched_on",
        message="A rule of compliance was put in force.",
        user=user,
        detail={"rule": rule.id, "version": rule.version},
    )
    return row


def read_draft(text: str) -> Rule:
    """Return the one rule of a draft. Raises RuleRefused with what is wrong."""
    try:
        rules = read_rules(text)
    except RuleWrong as error:
        raise RuleRefused(str(error)) from error
    if len(rules) != 1:
        raise RuleRefused("Write one rule at a time.")
    return rules[0]


@transaction.atomic
def settle(*, violation: Violation, user: User, state: str, reason: str) -> Violation:
    """Explain or close a violation with a reason. Raises ReasonNeeded. It stays in the list, and in every report."""
    words = " ".join(reason.replace("\0", " ").split())[:REASON_MAX]
    if not words or state not in (ViolationState.EXPLAINED, ViolationState.CLOSED):
        raise ReasonNeeded("Say what happened, and choose whether this explains it or closes it.")
    locked = Violation.objects.select_for_update(of=("self",)).select_related("rule", "patient").get(pk=violation.pk)
    locked.state, locked.reason = state, words
    locked.settled_by, locked.settled_at = user, timezone.now()
    locked.save(update_fields=["state", "reason", "settled_by", "settled_at"])
    record_event(
        category=EventCategory.OPERATION,
        code=f"violation_{state}",
        message="A broken rule was settled.",
        patient=locked.patient,
        ward_id=locked.ward_id,
        user=user,
        detail={"violation": locked.pk, "rule": locked.rule.rule_id, "leaf": locked.leaf_index},
    )
    return locked
