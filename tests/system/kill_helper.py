"""What the kill test needs inside other processes: a registry, a plant with alarms at known times, and what came of
them.

Called through tests/forks.py; the plant is built by a gateway.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from devices.emulator.plant import Block, Sample
from devices.kinds.registry import by_key
from tests.forks import serve

PUMPS = 6
ALARMS = {1: "pump_occlusion", 2: "pump_empty", 3: "pump_air_in_line", 4: "pump_battery_low"}
STEP_S = 0.02  # fifty readings a second and pump
ALARM_S = 0.6
PUMP_ALARM, RATE = by_key("pump_alarm").code, by_key("infusion_rate").code


def alarm_at(device: int, t: float, start: float, spread_s: float) -> int:
    """Return which alarm pump `device` shows at `t`: each of the four once, at times spread over the run."""
    for number in ALARMS:
        began = start + spread_s * ((device * 7 + number * 11) % 24) / 24
        if began <= t < began + ALARM_S:
            return number
    return 0


class AlarmingPumps:
    """A plant without memory: what it shows depends on the time alone, so that a restart changes nothing."""

    def __init__(self, devices: list[dict[str, Any]], start: float, spread_s: float) -> None:
        self._ids = [device["device_id"] for device in devices]
        self._start, self._spread_s = start, spread_s
        self._step = int(time.time() / STEP_S)

    def advance(self, t: float) -> Iterable[Sample | Block]:
        steps = range(self._step + 1, int(t / STEP_S) + 1)
        self._step = max(self._step, int(t / STEP_S))
        for step in steps:
            at = step * STEP_S
            for device in self._ids:
                yield Sample(device, PUMP_ALARM, at, float(alarm_at(device, at, self._start, self._spread_s)))
                yield Sample(device, RATE, at, float(step % 1000))


def build(devices: list[dict[str, Any]], options: dict[str, Any]) -> AlarmingPumps:
    return AlarmingPumps(devices, options["start"], options["spread_s"])


def _prepare(inside: str, server: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from compliance.models import Patient, Ward
    from devices.services.registry import register_device, register_gateway

    folder, ward = Path(inside), Ward.objects.create(name="Ward")
    key = Ed25519PrivateKey.generate()
    gateway = register_gateway(name="gw", ward=ward, public_key=key.public_key().public_bytes_raw())
    devices = []
    for number in range(PUMPS):
        patient = Patient.objects.create(
            medical_record_number=f"K-{number}", given_name="A", family_name="B", birth_date="1960-01-01", ward=ward
        )
        device, frame_key = register_device(
            serial=f"p-{number}", kind="infusion_pump", label="Pump", gateway=gateway, patient=patient
        )
        devices.append({"device_id": device.pk, "kind": "infusion_pump", "key_hex": frame_key.hex()})
    (folder / "gateway.key").write_text(key.private_bytes_raw().hex())
    config = {
        "gateway_id": gateway.pk,
        "server": server,
        "private_key_file": "gateway.key",
        "queue": "queue.sqlite3",
        "devices": devices,
        "interval_s": 0.1,
    }
    (folder / "gateway.json").write_text(json.dumps(config))


def _alerts() -> dict[str, object]:
    from compliance.models import Event
    from twin.models import Alert

    raised = [list(pair) for pair in Alert.objects.values_list("device_id", "rule")]
    late = [[event.device_id, event.detail["rule"]] for event in Event.objects.filter(code="would_have_alarmed")]
    return {"raised": raised, "late": late}


def _frames() -> dict[str, object]:
    """Return, of every stored reading, whether its frame is there, and whether what the pages say of it is true."""
    from compliance.models import LogEntry
    from devices.evidence.logged import KIND
    from devices.evidence.outcome import Outcome
    from devices.evidence.tree import root_of
    from devices.models import Device, FrameSeal
    from devices.selectors.evidence import evidence_of
    from devices.services.telemetry import store

    devices = {device.pk: device for device in Device.objects.select_related("gateway")}
    rows = store().history(devices, [PUMP_ALARM, RATE], 0, 1e12)
    groups = {received: store().groups_received(received) for received in {row.received for row in rows}}
    held = {(row.device, row.seq): _group_of(row, groups[row.received]) for row in rows}
    seals = list(FrameSeal.objects.all())
    wrong = [str(seal.pk) for seal in seals if root_of(_leaves(str(seal.pk))) != bytes(seal.root)]
    newest = sorted(rows, key=lambda row: row.received)
    told = [[], []]  # what the evidence says of its root: of readings under none, and of readings under one
    for row in [*newest[:: max(len(newest) // 20, 1)], *newest[-20:]]:
        checks = {check.name: check.outcome for check in evidence_of(store(), devices[row.device], None, row).checks}
        assert Outcome.BROKEN not in checks.values(), checks
        stored = held[row.device, row.seq]
        told[bool(stored and stored.seal)].append(checks["The frame is under a sealed root"])
    return {
        "readings": len(rows),
        "without_frame": [key for key, stored in held.items() if stored is None],
        "unsealed": len(store().unsealed_groups(100_000)),
        "seals": len(seals),
        "wrong_roots": wrong,
        "entries": LogEntry.objects.filter(kind=KIND).count(),
        "said_of_unsealed": sorted({str(outcome) for outcome in told[0]}),
        "said_of_sealed": sorted({str(outcome) for outcome in told[1]}),
    }


def _group_of(row: Any, groups: list[Any]) -> Any:
    """Return the group that holds a reading's frame, unchanged; None where there is none."""
    for stored in groups:
        place = stored.group.place_of(row.device, row.seq)
        if place is not None and sha256(stored.group.frame(place)).digest() == stored.group.hash_of(place):
            return stored
    return None


def _leaves(name: str) -> list[bytes]:
    from devices.services.telemetry import store

    return [leaf for stored in store().groups_sealed(name) for leaf in stored.group.leaves()]


if __name__ == "__main__":
    serve({"prepare": _prepare, "alerts": _alerts, "frames": _frames})
