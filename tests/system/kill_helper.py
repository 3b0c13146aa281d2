"""What the kill test needs inside other processes: a registry, a plant with alarms at known times, and what came of
them.

`python -m tests.system.kill_helper prepare FOLDER SERVER` | `alerts`
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from devices.emulator.plant import Block, Sample
from devices.kinds.registry import by_key

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


def _prepare(folder: Path, server: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    from compliance.models import Patient, Ward
    from devices.services.registry import register_device, register_gateway

    ward = Ward.objects.create(name="Ward")
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


def _print_alerts() -> None:
    from compliance.models import Event
    from twin.models import Alert

    raised = [list(pair) for pair in Alert.objects.values_list("device_id", "rule")]
    late = [[event.device_id, event.detail["rule"]] for event in Event.objects.filter(code="would_have_alarmed")]
    print(json.dumps({"raised": raised, "late": late}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "twin.settings")
    import django

    django.setup()
    if sys.argv[1] == "prepare":
        _prepare(Path(sys.argv[2]), sys.argv[3])
    else:
        _print_alerts()
