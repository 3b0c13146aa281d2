"""What a monthly report says: counts by rule and day, violations, and the proofs of the records that they name."""

from __future__ import annotations

import base64
from calendar import monthrange
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from compliance.log.merkle import inclusion_proof
from compliance.log.notes import Checkpoint, Note
from compliance.log.tiles import TiledTree
from compliance.models import ComplianceReport, LogEntry, RuleState, RuleVersion, User, Violation, ViolationState, Ward
from compliance.selectors.log import StoredTiles, newest_checkpoint
from compliance.selectors.people import scope_for
from compliance.selectors.rules import fact_of

VIEW = "compliance.view_report"


def reports_for(user: User) -> QuerySet[ComplianceReport]:
    """Return the reports of the wards on which `user` may read them."""
    related = ComplianceReport.objects.select_related("ward", "requested_by").defer("document", "pdf")
    return related.filter(ward__in=scope_for(user, VIEW).ward_ids)


def report_of(ward: Ward, month: date, *, now: datetime, keys: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the report, unsigned; None while the log has no signed head yet. Months are those of UTC.

    keys: of the log and its witnesses, as the report names them.
    """
    head = newest_checkpoint(witnessed=True) or newest_checkpoint()
    if head is None:
        return None
    first, after = _bounds(month)
    found = list(
        Violation.objects.filter(ward_id=ward.pk, happened_at__gte=first, happened_at__lt=after)
        .filter(rule__state=RuleState.ACTIVE)
        .select_related("rule")
        .order_by("happened_at", "pk")
    )
    provable = [violation for violation in found if max(violation.indexes) < head.size]
    rules = _by_rule(ward, first, after, provable)
    checkpoint = Checkpoint.parse(Note.parse(head.note).text)
    return {
        "ward": {"id": ward.pk, "name": ward.name},
        "month": f"{month:%Y-%m}",
        "complete": now >= after,
        "made_at": now.isoformat(timespec="seconds"),
        "totals": _totals(rules),
        "rules": rules,
        "by_day": _by_day(provable, month),
        "violations": [_violation(violation) for violation in provable],
        "log": {
            "origin": checkpoint.origin,
            "size": head.size,
            "root": base64.b64encode(checkpoint.root).decode(),
            "checkpoint": head.note,
            "keys": dict(keys),
            "leaves": _leaves({index for violation in provable for index in violation.indexes}, head.size),
        },
    }


def _bounds(month: date) -> tuple[datetime, datetime]:
    first = datetime(month.year, month.month, 1, tzinfo=UTC)
    return first, first + timedelta(days=monthrange(month.year, month.month)[1])


def _by_rule(ward: Ward, first: datetime, after: datetime, found: Sequence[Violation]) -> list[dict[str, Any]]:
    """Return per rule in force what was judged in the month and what was found, violated records counted once."""
    versions = list(RuleVersion.objects.filter(state=RuleState.ACTIVE))
    rules = {row.pk: row.rule() for row in versions}
    judged: Counter[int] = Counter()
    entries = LogEntry.objects.filter(ward_id=ward.pk, at__gte=first, at__lt=after, leaf_index__isnull=False)
    for entry in entries.iterator(2000):
        fact = fact_of(entry)
        judged.update(pk for pk, rule in rules.items() if rule.on.takes(fact))
    lines = []
    for pk, rule in rules.items():
        mine = [violation for violation in found if violation.rule_id == pk]
        broken = len({violation.leaf_index for violation in mine})
        total = max(judged[pk], broken)  # a record that was erased since is judged no more, but was
        lines.append(
            {
                "id": rule.id,
                "version": rule.version,
                "title": rule.title,
                "plain": rule.plain,
                "judged": total,
                "violations": len(mine),
                "open": sum(violation.state == ViolationState.OPEN for violation in mine),
                "share_met": (total - broken) / total if total else None,
            }
        )
    return lines


def _totals(rules: Sequence[dict[str, Any]]) -> dict[str, int]:
    sums = {key: sum(rule[key] for rule in rules) for key in ("judged", "violations", "open")}
    return {**sums, "settled": sums["violations"] - sums["open"]}


def _by_day(found: Sequence[Violation], month: date) -> list[int]:
    days = Counter(violation.happened_at.astimezone(UTC).day for violation in found)
    return [days[day] for day in range(1, monthrange(month.year, month.month)[1] + 1)]


def _violation(violation: Violation) -> dict[str, Any]:
    return {
        "rule": violation.rule.rule_id,
        "version": violation.rule.version,
        "demand": violation.demand,
        "sentence": violation.sentence,
        "at": violation.happened_at.astimezone(UTC).isoformat(timespec="seconds"),
        "patient": str(violation.patient_id) if violation.patient_id else None,
        "leaf": violation.leaf_index,
        "leaves": violation.indexes,
        "state": violation.state,
        "reason": violation.reason,
    }


def _leaves(indexes: set[int], size: int) -> dict[str, Any]:
    """Return each record with salt and proof; of one that was erased, commitment and proof are left."""
    tree, leaves = TiledTree(StoredTiles()), {}
    for entry in LogEntry.objects.filter(leaf_index__in=sorted(indexes)).order_by("leaf_index"):
        assert entry.leaf_index is not None  # noqa: S101 chosen by it
        path = inclusion_proof(tree, entry.leaf_index, size)
        leaves[str(entry.leaf_index)] = {
            "commitment": base64.b64encode(bytes(entry.commitment)).decode(),
            "salt": base64.b64encode(bytes(entry.salt)).decode() if entry.salt is not None else None,
            "record": entry.record,
            "proof": [base64.b64encode(item).decode() for item in path],
        }
    return leaves
