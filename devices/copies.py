"""What a copy of a record holds of this package: devices, every reading with its unit, and waveforms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from compliance.copies.archive import CopyArchive
from compliance.copies.registry import Asked, register_part
from devices.errors import ReadingMetricUnknown
from devices.kinds.registry import by_code
from devices.models import Device
from devices.selectors.streams import streams_told
from devices.selectors.worn import Wear
from devices.services.telemetry import store
from devices.telemetry import Reading
from devices.telemetry.lanes import stream_of

PAGE = 5000  # readings that memory holds
HEAD = ("measured_at_utc", "received_at_utc", "measurement", "loinc", "value", "unit", "device", "sequence")


def register_parts() -> None:
    """Register them."""
    register_part("devices", _devices)
    register_part("readings", _readings)


def _devices(asked: Asked, archive: CopyArchive) -> None:
    found = Device.objects.filter(pk__in=Wear([asked.patient.pk]).devices).order_by("pk")
    rows = ((row.pk, row.kind, row.label, row.serial, row.state) for row in found)
    head = ("device", "kind", "name", "serial", "state")
    archive.csv("devices.csv", "Devices that measure you, or did", head, rows)


def _readings(asked: Asked, archive: CopyArchive) -> None:
    archive.csv("readings.csv", "Every reading with its unit", HEAD, map(_row, readings_of(asked)))


def readings_of(asked: Asked) -> Iterator[Reading]:
    """Yield every reading that was taken while the patient wore the device, by stream and sequence."""
    wear, until = Wear([asked.patient.pk]), asked.at.timestamp()
    cursors = dict.fromkeys(streams_told(wear.devices), -1)
    while cursors and (page := store().since(cursors, PAGE)):
        for reading in page:
            cursors[stream_of(reading.device, reading.seq)] = reading.seq
            if reading.received <= until and wear.holds(reading):
                yield reading


def _row(reading: Reading) -> tuple[object, ...]:
    try:
        measured = by_code(reading.metric)
    except ReadingMetricUnknown:  # of a kind that this house no longer has: the number is the patient's all the same
        return (*_times(reading), f"code {reading.metric}", "", reading.value, "", reading.device, reading.seq)
    value = measured.values.get(int(reading.value), reading.value) if measured.values else reading.value
    return (*_times(reading), measured.label, measured.loinc, value, measured.unit, reading.device, reading.seq)


def _times(reading: Reading) -> tuple[str, str]:
    moments = (datetime.fromtimestamp(t, UTC).isoformat(timespec="milliseconds") for t in (reading.t, reading.received))
    return next(moments), next(moments)
