"""A patient whose sensor and pump have been reporting for hours."""

from __future__ import annotations

import time

import numpy as np
import pytest

from devices.kinds.registry import by_key
from devices.telemetry.batch import READING, ReadingBatch


@pytest.fixture
def worn(patient):
    from devices.models import Device, Gateway

    gateway = Gateway.objects.create(name="room-1", ward=patient.ward, public_key=bytes(32))
    return {
        kind: Device.objects.create(
            serial=kind, kind=kind, label=kind, gateway=gateway, patient=patient, key_sealed=b"sealed"
        )
        for kind in ("cgm", "insulin_pump")
    }


@pytest.fixture
def measure(worn):
    """Return a writer of readings: `measure("cgm", "glucose", [(seconds ago, value)])`."""
    written = {"seq": 0}

    def write(kind, key, values):
        from devices.services.telemetry import store

        now, rows = time.time(), []
        for ago, value in values:
            written["seq"] += 1
            rows.append((worn[kind].pk, by_key(key).code, written["seq"], now - ago, value))
        store().write(ReadingBatch(np.array(rows, dtype=READING), received_at=now))

    return write


@pytest.fixture
def living(measure):
    """Four hours of glucose at 120 mg/dL, a steady basal rate and a bolus half an hour ago."""
    measure("cgm", "glucose", [(ago, 120.0) for ago in range(4 * 3600, 0, -300)])
    measure("insulin_pump", "insulin_rate", [(ago, 0.9) for ago in range(4 * 3600, 0, -300)])
    measure("insulin_pump", "insulin_bolus", [(1800.0, 2.0)])
