"""Which readings go into a report: the newest of each metric per period, and every change of an enumeration."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from devices.kinds.registry import Form, Measurement, by_code
from devices.telemetry import Reading

LATE_AFTER_S = 60.0  # a reading that took longer from the device to the server had been kept back by a lost link


@dataclass(frozen=True, slots=True)
class Due:
    """A reading to report."""

    reading: Reading
    measurement: Measurement

    @property
    def late(self) -> bool:
        """Tell whether it came long after it was measured."""
        return self.reading.received - self.reading.t > LATE_AFTER_S


def sample(readings: Iterable[Reading], metrics: Collection[str], period_s: float) -> list[Due]:
    """Return what to report of `readings` (ordered by device and seq), oldest first.

    metrics: keys of measurements; others are left out. A scalar or counter is reported once per `period_s` of device
    time; of an enumeration (an alarm, a lid) the first of each period and every change, so that none disappears.
    """
    scalars: dict[tuple[int, int, int], Due] = {}
    changes: list[Due] = []
    last_choice: dict[tuple[int, int], tuple[int, float]] = {}
    for reading in readings:
        measurement = by_code(reading.metric)
        if measurement.key not in metrics or measurement.kind is Form.WAVEFORM:
            continue
        due, period = Due(reading, measurement), int(reading.t // period_s)
        series = (reading.device, reading.metric)
        if measurement.kind is not Form.ENUMERATION and measurement.period_s:
            held = scalars.get((*series, period))
            if held is None or (held.reading.t, held.reading.seq) < (reading.t, reading.seq):
                scalars[(*series, period)] = due
        elif measurement.kind is not Form.ENUMERATION or last_choice.get(series) != (period, reading.value):
            last_choice[series] = (period, reading.value)
            changes.append(due)  # what comes with an event, such as a bolus, is reported each time
    return sorted([*scalars.values(), *changes], key=lambda one: (one.reading.t, one.reading.device, one.reading.seq))
