"""What the kill test runs in other processes (tests/forks.py): `prepare`, `read(batches, moment)`, `found`.

`read` kills itself with SIGKILL at the batch of that number, "before" or "after" its commit: the moments at which
something could be lost or stored twice.
"""

from __future__ import annotations

import os
import signal
from unittest.mock import patch

from tests.forks import serve

RECORDS, BATCH = 60, 7


def _prepare() -> None:
    from compliance.models import Event, EventCategory
    from compliance.services.events import record_events
    from compliance.services.log import sequence
    from compliance.services.rules import ensure_house_rules

    ensure_house_rules()
    record_events(
        [
            Event(
                category=EventCategory.CLINICAL,
                code="dose_given" if n % 3 else "record_viewed",
                message="A test.",
                detail={"high_alert": True, "entry": "first", "order": n, "administration": n, "basis": "none"},
            )
            for n in range(RECORDS)
        ]
    )
    while sequence():
        pass


def _read(batches: int, moment: str) -> None:
    from compliance.models import RuleVersion
    from compliance.services import rules

    rules.BATCH = BATCH
    done, save, read_on = 0, RuleVersion.save, rules._read_on

    def saved(row: RuleVersion, **fields: object) -> None:
        save(row, **fields)  # type: ignore[arg-type]
        nonlocal done
        done += 1
        if done == batches and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)

    def read(pk: int) -> tuple[int, int]:
        found = read_on(pk)
        if done >= batches and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    with patch.object(RuleVersion, "save", saved), patch.object(rules, "_read_on", read):
        rules.evaluate_rules()


def _found() -> dict[str, object]:
    from compliance.models import RuleVersion, Violation
    from compliance.rulebook.engine import Engine
    from compliance.selectors.log import records_since
    from compliance.selectors.rules import fact_of

    stored = list(Violation.objects.values_list("rule__rule_id", "leaf_index", "demand"))
    replayed = []
    for row in RuleVersion.objects.filter(state="active"):
        facts = [fact_of(entry) for entry in records_since(0, row.next_index)]
        replayed += [(row.rule_id, found.index, found.demand) for found in Engine(row.rule()).feed(facts)]
    read = list(RuleVersion.objects.filter(state="active").values_list("next_index", flat=True))
    return {"stored": sorted(stored), "replayed": sorted(replayed), "read": read}


if __name__ == "__main__":
    serve({"prepare": _prepare, "read": _read, "found": _found})
