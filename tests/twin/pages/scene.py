"""What the tests of pages put on a ward."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import numpy as np
from django.utils import timezone

from devices.kinds.registry import by_key
from devices.models import Device, Gateway
from devices.telemetry.batch import READING, ReadingBatch


def make_device(patient, kind: str = "vital_signs_monitor", label: str = "Monitor") -> Device:
    gateway, _ = Gateway.objects.get_or_create(name="room-1", ward=patient.ward, defaults={"public_key": bytes(32)})
    count = Device.objects.count()
    return Device.objects.create(
        serial=f"S{count}", kind=kind, label=label, gateway=gateway, patient=patient, key_sealed=b"sealed"
    )


def store_readings(device: Device, key: str, values: list[tuple[float, float]], received: float | None = None) -> None:
    """Store (seconds ago, value) pairs; the sequence numbers follow their order."""
    from devices.services.telemetry import store

    now = time.time()
    first = 1 + max((reading.seq for reading in store().latest([device.pk])), default=0)
    rows = [(device.pk, by_key(key).code, first + i, now - ago, value) for i, (ago, value) in enumerate(values)]
    store().write(ReadingBatch(np.array(rows, dtype=READING), received_at=received or now))


def raise_alert(patient, priority: str, message: str, *, minutes_ago: float = 1, state: str = "open", **more):
    from twin.models import Alert

    at = timezone.now() - timedelta(minutes=minutes_ago)
    times = {"raised_at": at, "opened_at": at, "event_time": at, "last_seen_at": at}
    return Alert.objects.create(
        patient=patient, rule=message.lower(), priority=priority, message=message, state=state, **times, **more
    )


def neighbour(patient, number: str, family: str, bed: str):
    from compliance.models import Patient

    return Patient.objects.create(
        medical_record_number=number,
        given_name="N",
        family_name=family,
        birth_date=patient.birth_date,
        ward=patient.ward,
        bed=bed,
    )


def names_in_order(html: str) -> list[str]:
    return re.findall(r'data-name="([^"]+)"', html)
