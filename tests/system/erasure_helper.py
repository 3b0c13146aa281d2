"""What the kill test of an erasure needs inside other processes (tests/forks.py)."""

from __future__ import annotations

import itertools
import signal
import time
from datetime import UTC, datetime

from tests.forks import serve, tell

READINGS, LOOKS = 1200, 1200  # more than one step each


def prepare() -> None:
    """Fill a house of its own with one person, and approve the erasure."""
    import numpy as np
    from django.utils import timezone

    from compliance.models import AccessRecord, Patient, User, Ward
    from compliance.privacy.purposes import How
    from compliance.privacy.requests import RequestKind
    from compliance.services.erasure import approve_erasure
    from compliance.services.log import sequence
    from compliance.services.privacy_requests import ask
    from devices.kinds.registry import by_key
    from devices.services.registry import assign_device, register_device, register_gateway
    from devices.services.telemetry import store
    from devices.telemetry import READING, ReadingBatch

    now, ward = timezone.now(), Ward.objects.create(name="Ward")
    patient = Patient.objects.create(
        medical_record_number="K-1", given_name="A", family_name="B", birth_date="1960-01-01", ward=ward,
        conditions="kingfisher syndrome",
    )  # fmt: skip
    own = User.objects.create(username="xq-sign-in", role="patient", own_patient=patient)
    gateway = register_gateway(name="gw", ward=ward, public_key=bytes(32))
    device, _key = register_device(serial="c", kind="cgm", label="CGM", gateway=gateway, patient=patient)
    at, code = time.time(), by_key("glucose").code
    rows = [(device.pk, code, seq, at, 123.4567) for seq in range(READINGS)]
    store().write(ReadingBatch(np.array(rows, READING), received_at=at))
    AccessRecord.objects.bulk_create(
        AccessRecord(patient=patient, user=None, role="nurse", what="ward", purpose="treatment", at=now)
        for _ in range(LOOKS)
    )
    time.sleep(0.01)  # the device comes off after its last reading
    assign_device(device=device, patient=None)
    asked = ask(patient=patient, kind=RequestKind.ERASURE, user=own, how=How.SELF, words="", now=now)
    approve_erasure(
        request=asked, by=User.objects.create(username="boss"), ground="unlawful", unbound="no_treatment", answer="",
        now=now,
    )  # fmt: skip
    while sequence() is not None:
        pass


def run(steps: int) -> None:
    """Go on with the erasure as a worker does, then stand still before the step after `steps`, to be killed there."""
    from compliance.models import Erasure
    from compliance.services import erasure
    from compliance.services.log import sequence

    go_on, taken = erasure._go_on, itertools.count()

    def counted(*step: object) -> bool:
        if next(taken) == steps:
            tell("standing still")
            signal.pause()
        return go_on(*step)  # type: ignore[arg-type]

    erasure._go_on = counted
    erasure.run_erasure(Erasure.objects.get().pk)
    erasure._go_on = go_on
    sequence()


def finish() -> None:
    """Finish in the dead worker's place."""
    from compliance.models import Erasure

    # Its lease runs out: a minute is longer than a test should wait.
    Erasure.objects.update(lease_until=datetime(2001, 1, 1, tzinfo=UTC))
    for _ in range(2):  # the first meets entries that wait for a place in the log
        run(-1)


def state() -> dict[str, object]:
    """Return how far it is."""
    from compliance.models import AccessRecord, Erasure, User
    from compliance.services.log_watch import LogWatch

    found = Erasure.objects.get()
    return {
        "finished": found.finished_at is not None,
        "done": found.steps.exclude(done_at=None).count(),
        "removed": dict(found.steps.values_list("part", "removed")),
        "looks": AccessRecord.objects.count(),
        "accounts": User.objects.filter(username="xq-sign-in").count(),
        "findings": [finding.what for finding in LogWatch().check_some(10_000)],
    }


if __name__ == "__main__":
    serve({"prepare": prepare, "run": run, "finish": finish, "state": state})
