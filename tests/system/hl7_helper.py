"""What the HL7 kill test needs inside other processes: patients whose readings wait for a receiver, and what became of
them.

Called through tests/forks.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.forks import serve

PATIENTS, ROUNDS = 6, 10
PAUSE_S = 0.2  # for each message


def _prepare(port: int, authority: str) -> None:
    from compliance.models import Patient, Ward
    from devices.models import DeviceAssignment
    from devices.services.hl7_outbox import collect
    from devices.services.registry import register_device, register_gateway
    from tests.devices.hl7.conftest import make_destination, measure

    ward = Ward.objects.create(name="Ward")
    gateway = register_gateway(name="gw", ward=ward, public_key=bytes(32))
    devices = []
    for number in range(PATIENTS):
        patient = Patient.objects.create(
            medical_record_number=f"K-{number}", given_name="A", family_name="B", birth_date="1960-01-01", ward=ward
        )
        devices.append(
            register_device(
                serial=f"m-{number}", kind="vital_signs_monitor", label="Monitor", gateway=gateway, patient=patient
            )[0]
        )
    destination = make_destination(ward, port, authority, metrics=["heart_rate"], period_s=3600)
    start = datetime.now(UTC) - timedelta(minutes=60)
    DeviceAssignment.objects.update(starts_at=start)  # worn since before the first reading
    collect(destination=destination, now=start)
    for n in range(ROUNDS):
        at = start + timedelta(minutes=n + 1)
        for device in devices:
            measure(device, "heart_rate", {at.timestamp(): 60 + n}, received=at.timestamp(), seq=n + 1)
        collect(destination=destination, now=at + timedelta(seconds=10))


def _state() -> dict[str, object]:
    from devices.models import HL7Message

    messages = HL7Message.objects.order_by("pk")
    return {"ids": list(messages.values_list("control_id", flat=True)),
            "states": sorted(set(messages.values_list("state", flat=True)))}  # fmt: skip


def _expire() -> None:
    """End the lease of a killed sender."""
    from devices.models import HL7Destination

    HL7Destination.objects.update(lease=None, lease_until=None, retry_at=None)


def _listen(port: int, certificate: str, key: str, taken: str) -> None:
    """Receive as `listen_hl7` does, so slowly that somebody can kill the sender or the receiver in the middle."""
    from devices.hl7 import Acknowledgement, Report
    from devices.management.commands.listen_hl7 import Command

    class Slow(Command):
        def taker(self) -> Callable[[Report], Acknowledgement]:
            take = super().taker()

            def slowly(report: Report) -> Acknowledgement:
                time.sleep(PAUSE_S)
                return take(report)

            return slowly

    with Path(taken).open("a") as log:
        files = {"certificate": Path(certificate), "key": Path(key), "client_authority": None}
        Slow(stdout=log).handle(host="127.0.0.1", port=port, **files)


if __name__ == "__main__":
    serve({"prepare": _prepare, "state": _state, "expire": _expire, "listen": _listen})
