"""A monitored patient, and a way to hand readings to the watch as the writer does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from devices.kinds.registry import by_key
from devices.telemetry.batch import READING, ReadingBatch


@pytest.fixture
def gateway(ward):
    from devices.models import Gateway

    return Gateway.objects.create(name="Gateway 4", ward=ward, public_key=b"\0" * 32)


@pytest.fixture
def make_device(gateway, patient):
    from devices.models import Device

    def make(kind: str = "cgm", serial: str = "S-1", **fields):
        values = {"label": kind, "gateway": gateway, "patient": patient, "key_sealed": b"", **fields}
        return Device.objects.create(serial=serial, kind=kind, **values)

    return make


@pytest.fixture
def cgm(make_device):
    return make_device()


@pytest.fixture
def watch(db) -> Iterator[object]:
    """The process's watch as a new process finds it."""
    from twin.services.alert_watch import alert_watch

    alert_watch.forget()
    yield alert_watch
    alert_watch.forget()


@pytest.fixture
def batch_of() -> Callable[..., ReadingBatch]:
    """Return a maker of commit groups: `batch_of((device, "glucose", t, value), ..., received_at=...)`."""
    return make_batch


def make_batch(*rows: tuple[object, str, float, float], received_at: float | None = None) -> ReadingBatch:
    readings = np.zeros(len(rows), READING)
    for i, (device, metric, t, value) in enumerate(rows):
        readings[i] = (getattr(device, "pk", device), by_key(metric).code, int(t * 1000), t, value)
    newest = max((row[2] for row in rows), default=time.time())
    return ReadingBatch(readings, received_at=newest + 0.5 if received_at is None else received_at)


@pytest.fixture
def told(monkeypatch) -> list[dict[str, object]]:
    """What browsers were told."""
    messages: list[dict[str, object]] = []
    monkeypatch.setattr("twin.services.alerts.publish_alert", messages.append)
    return messages
