"""Whose a reading is: a device goes from one patient to the next, and what it measured stays with who wore it then.

Everything that shows a patient's readings asks here, most of it through devices/services/worn.py. The moment that
counts is the device's, at which it was measured, but never a later one than that of its arrival: a clock that runs
ahead must not carry a reading to the next patient.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Max, Q, QuerySet

from compliance.models import Patient
from devices.models import Device, DeviceAssignment
from devices.telemetry import Reading


class Span(NamedTuple):
    """A device was `patient`'s from `starts`, up to but not at `ends`, s since the Unix epoch; `ends` may be inf."""

    device: int
    patient: UUID | None  # None: somebody whose record is gone
    starts: float
    ends: float

    def holds(self, t: float, received: float) -> bool:
        """Tell whether a reading was made in this span."""
        return self.starts <= moment_of(t, received) < self.ends


def moment_of(t: float, received: float) -> float:
    """Return when a reading was made, s since the Unix epoch: its device's time, or that of its arrival if earlier."""
    return min(t, received)


def spans_of(patients: Iterable[UUID]) -> list[Span]:
    """Return every span in which any of the patients wore a device, oldest first for each device."""
    return _spans(DeviceAssignment.objects.filter(patient__in=list(patients)))


def _spans(rows: QuerySet[DeviceAssignment]) -> list[Span]:
    found = rows.order_by("device", "starts_at", "pk").values_list("device_id", "patient_id", "starts_at", "ends_at")
    return [
        Span(device, patient, starts.timestamp(), ends.timestamp() if ends else math.inf)
        for device, patient, starts, ends in found
    ]


class Wear:
    """Who wore which device when, for the devices that any of some patients wears or wore."""

    def __init__(self, patients: Collection[UUID]) -> None:
        self.spans = spans_of(patients)
        self._by_device: dict[int, list[Span]] = defaultdict(list)
        for span in self.spans:
            self._by_device[span.device].append(span)

    @property
    def devices(self) -> list[int]:
        """The devices, of today and of before."""
        return list(self._by_device)

    def patient(self, device: int, t: float, received: float) -> UUID | None:
        """Return which of the patients wore the device when a reading was made; None for anybody else."""
        spans = self._by_device.get(device, [])
        place = bisect_right(spans, moment_of(t, received), key=lambda span: span.starts)
        return spans[place - 1].patient if place and spans[place - 1].holds(t, received) else None

    def holds(self, reading: Reading) -> bool:
        """Tell whether a reading is of any of the patients."""
        return self.patient(reading.device, reading.t, reading.received) is not None


def span_at(device: int, t: float, received: float = math.inf) -> Span | None:
    """Return the span in which a reading of the device was made; None when nobody wore it then."""
    held = _spans(DeviceAssignment.objects.filter(device=device))
    return next((span for span in held if span.holds(t, received)), None)


def devices_worn_since(patient: Patient, since: float) -> list[Device]:
    """Return the devices that the patient wore at any time after `since`, s since the Unix epoch; today's included."""
    after = datetime.fromtimestamp(since, tz=UTC)
    held = DeviceAssignment.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=after), patient=patient)
    return list(Device.objects.filter(pk__in=held.values("device")).select_related("gateway"))


def worn_since(devices: Iterable[int]) -> dict[int, float]:
    """Return since when each device has been with who has it now, or with nobody; s since the Unix epoch.

    A device that was never put on anybody is absent.
    """
    rows = DeviceAssignment.objects.filter(device__in=list(devices)).order_by().values("device")
    times = rows.annotate(began=Max("starts_at", filter=Q(ends_at__isnull=True)), ended=Max("ends_at"))
    return {row["device"]: (row["began"] or row["ended"]).timestamp() for row in times}
