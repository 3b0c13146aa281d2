"""A full house in a folder of its own: 200 patients with devices, a million readings, doses, alerts and events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.database import fresh_database

if TYPE_CHECKING:
    from compliance.models import Patient, Ward
    from devices.models import Device
    from twin.models import Alert

PATIENTS, READINGS, ALERTS, EVENTS = 200, 1_000_000, 2_000, 20_000
SPAN_S = 86_400.0
GROUP = 20_000


@contextmanager
def full_house(home: Path, url: str = "") -> Iterator[tuple[str, Patient]]:
    """Yield the engine's name and one patient of a ward of 200, in a fresh database."""
    with fresh_database(home, url) as engine:
        from compliance.models import Ward
        from devices.services.telemetry import close_store
        from twin.services.emulation import prepare_ward

        ward = Ward.objects.create(name="Full ward")
        prepare_ward(
            ward=ward, patients=PATIENTS, gateways=None, server="ws://localhost/", folder=home, now=time.time(),
            scripted=False,
        )  # fmt: skip
        try:
            yield engine, _furnish(ward)
        finally:
            close_store()


def _furnish(ward: Ward) -> Patient:
    from datetime import timedelta

    from django.utils import timezone

    from compliance.models import Event, EventCategory, Patient
    from compliance.services.demo_regimens import ensure_demo_regimens
    from devices.models import Device, DeviceAssignment
    from twin.models import Alert

    patients = list(Patient.objects.filter(ward=ward))
    devices = list(Device.objects.filter(patient__in=patients).select_related("patient"))
    DeviceAssignment.objects.update(starts_at=timezone.now() - timedelta(days=2))  # before the first reading
    _write_readings(devices)
    ensure_demo_regimens(patients)
    Alert.objects.bulk_create(_alert(devices[n % len(devices)], n) for n in range(ALERTS))
    Event.objects.bulk_create(
        Event(
            category=EventCategory.CLINICAL, code="limit_crossed_late", message="A late reading.",
            patient=patients[n % PATIENTS], ward_id=ward.pk, device_id=devices[n % len(devices)].pk,
        )
        for n in range(EVENTS)
    )  # fmt: skip
    return patients[PATIENTS // 2]


def _alert(device: Device, n: int) -> Alert:
    from datetime import timedelta

    from django.utils import timezone

    from twin.models import Alert, AlertState

    at = timezone.now() - timedelta(minutes=n)
    return Alert(
        patient=device.patient, device=device, rule=f"rule_{n}", metric="heart_rate", priority="medium",
        value=50.0, message="Heart rate 50 /min, below 55", event_time=at, last_seen_at=at,
        state=AlertState.OPEN if n < PATIENTS // 4 else AlertState.RESOLVED,
    )  # fmt: skip


def _write_readings(devices: list[Device]) -> None:
    """Write a day in which every metric of every device is read evenly, a million readings in all."""
    from devices.kinds.registry import KINDS, Form
    from devices.services.telemetry import store
    from devices.telemetry import ReadingBatch
    from devices.telemetry.batch import READING

    series = [
        (device.pk, measurement)
        for device in devices
        for measurement in KINDS[device.kind].measurements
        if measurement.period_s > 0 and measurement.kind is not Form.WAVEFORM
    ]
    each = -(-READINGS // len(series))
    rows = np.zeros(each * len(series), READING)
    rows["device"] = np.tile([device for device, _ in series], each)
    rows["metric"] = np.tile([measurement.code for _, measurement in series], each)
    rows["value"] = np.tile([(measurement.low + measurement.high) / 2 for _, measurement in series], each)
    rows["seq"] = np.arange(1, len(rows) + 1)
    rows["t"] = time.time() - SPAN_S + np.repeat(np.arange(each), len(series)) * (SPAN_S / each)
    for start in range(0, len(rows), GROUP):
        store().write(ReadingBatch(rows[start : start + GROUP], received_at=time.time()))
