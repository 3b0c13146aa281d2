"""One engine's figures, in a process of its own: Django takes one database a process."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from benchmarks.common.database import fresh_database

if TYPE_CHECKING:
    from compliance.models import User
    from twin.models import Alert

LEAVES = 1_000_000
BATCH = 500
PROVED = 200
FILL = 65_536
SEQUENCED = 4000  # the sequencer runs beside, as in life


def fill_tree(leaves: int) -> None:
    """Put a tree of `leaves` leaves under a signed head. Their commitments are made up; the tree over them is not."""
    from compliance.log.merkle import leaf_hash
    from compliance.services.log import _store_tiles, signed_head

    for start in range(0, leaves, FILL):
        _store_tiles(start, [leaf_hash(n.to_bytes(32)) for n in range(start, min(start + FILL, leaves))])
    signed_head(leaves)


def appends_per_s(count: int) -> float:
    """Return how many events a second become durable, take their place in the tree and come under a signed head."""
    from compliance.models import Event, EventCategory
    from compliance.services.events import record_events
    from compliance.services.log import sequence

    started = time.perf_counter()
    for first in range(0, count, BATCH):
        record_events(
            [
                Event(
                    category=EventCategory.CLINICAL, code="dose_given", message="A dose was given.", detail={"dose": n}
                )
                for n in range(first, first + BATCH)
            ]
        )
        if first % SEQUENCED == 0:
            sequence()
    while sequence() is not None:
        pass
    return count / (time.perf_counter() - started)


def proof_ms() -> float:
    """Return the median time to prove one of a million entries from stored tiles, and check that proofs hold."""
    from compliance.log.merkle import leaf_hash, verify_inclusion
    from compliance.models import LogEntry
    from compliance.selectors.log import newest_checkpoint, proof_for

    head = newest_checkpoint()
    assert head is not None
    times = []
    for n in range(PROVED):
        index = n * 7919 * 101 % LEAVES
        entry = LogEntry(kind="benchmark", commitment=index.to_bytes(32), leaf_index=index)
        started = time.perf_counter()
        proof = proof_for(entry)
        times.append(time.perf_counter() - started)
        assert proof is not None
        verify_inclusion(
            leaf=leaf_hash(bytes(entry.commitment)), index=index, size=head.size, proof=proof.path,
            root=bytes(proof.checkpoint.root),
        )  # fmt: skip
    return 1000 * statistics.median(times)


def act_ratio(pairs: int) -> tuple[float, float]:
    """Return an act's median time with the log over that without it, and the time with it, ms; measured in turns."""
    from twin.services.alert_actions import snooze

    alert, nurse = _alert_and_nurse()
    times: dict[bool, list[float]] = {True: [], False: []}
    for n in range(2 * pairs):
        logged = n % 4 in {0, 3}  # on off off on: neither always comes first
        with nullcontext() if logged else _without_log():
            started = time.perf_counter()
            snooze(alert_id=alert.pk, user=nurse)
            times[logged].append(time.perf_counter() - started)
    on, off = statistics.median(times[True]), statistics.median(times[False])
    return on / off, 1000 * on


def _without_log() -> AbstractContextManager[object]:
    return patch("compliance.services.events.append_events", lambda events: None)


def _alert_and_nurse() -> tuple[Alert, User]:
    from django.utils import timezone

    from compliance.models import CareRelationship, Patient, User, Ward
    from twin.models import Alert

    ward = Ward.objects.create(name="Bench")
    patient = Patient.objects.create(
        medical_record_number="B-1", given_name="A", family_name="B", birth_date="1960-01-01", ward=ward
    )
    nurse = User.objects.create(username="bench-nurse", role="nurse")
    CareRelationship.objects.create(user=nurse, ward=ward, starts_at=timezone.now())
    now = timezone.now()
    alert = Alert.objects.create(
        patient=patient, rule="heart_rate_low", metric="heart_rate", priority="medium", value=40.0,
        message="Heart rate 40 /min, below 50", event_time=now, last_seen_at=now,
    )  # fmt: skip
    return alert, nurse


def main() -> None:
    """Measure the engine that the first argument names ("" for SQLite) and print JSON."""
    url, appends, pairs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory(prefix="medtwin-log-") as home, fresh_database(Path(home), url) as engine:
        started = time.perf_counter()
        fill_tree(LEAVES)
        filled_s = time.perf_counter() - started
        rate, proof = appends_per_s(appends), proof_ms()
        ratio, act_ms = act_ratio(pairs)
    figures = {"appends_per_s": rate, "proof_ms": proof, "act_ratio": ratio, "act_ms": act_ms, "filled_s": filled_s}
    print(json.dumps({"engine": engine, **figures}))


if __name__ == "__main__":
    main()
