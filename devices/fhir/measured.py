"""One observation, whatever it comes from, and a walk through all of them in order of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from devices.fhir.codes import BY_METRIC, PANEL, Observable
from devices.selectors.worn import Wear
from devices.services.telemetry import store
from devices.telemetry import Reading
from devices.telemetry.batch import BUCKET_S

EXTERNAL = 0  # the number that stands where a device's would: no device has it
AT_ONCE = 32  # buckets of ten minutes that are read together at most
LOOKED_AHEAD = 512
FIRST_BUCKET, LAST_BUCKET = 0, 2**40
Keep = Callable[["Measured"], bool]


@dataclass(frozen=True, slots=True)
class Measured:
    """values: one for each part of what was observed; None where a pair is incomplete."""

    device: int
    seq: int
    t: float
    received: float
    patient_id: UUID
    observable: Observable
    values: tuple[float | None, ...]
    recorded_by: int | None = None

    @property
    def id(self) -> str:
        """The logical id."""
        return f"x{self.seq}" if self.device == EXTERNAL else f"{self.device}-{self.seq}"

    @property
    def position(self) -> tuple[float, int, int]:
        """Its place in order of time."""
        return (self.t, self.device, self.seq)

    @property
    def at(self) -> datetime:
        """When it was measured."""
        return datetime.fromtimestamp(self.t, tz=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """What a walk looks at: device time, and which way."""

    t_from: float
    t_to: float
    newest_first: bool = True


def measured(readings: Iterable[Reading], wear: Wear) -> list[Measured]:
    """Return readings as observations of who wore the device; pressures of one moment become one panel."""
    made, pairs = [], defaultdict[tuple[int, float], list[Reading]](list)
    for reading in readings:
        observable = BY_METRIC.get(reading.metric)
        if observable is None:
            continue
        if observable.key == PANEL:
            pairs[reading.device, reading.t].append(reading)
        else:
            made += _one(reading, observable, (reading.value,), wear)
    for both in pairs.values():
        made += _panels(both, wear)
    return made


def _panels(readings: list[Reading], wear: Wear) -> list[Measured]:
    """Pair systolic and diastolic pressures in order; one without a partner stands alone."""
    observable = BY_METRIC[readings[0].metric]
    high, low = (sorted((r for r in readings if r.metric == part.code), key=_seq) for part in observable.parts)
    made = []
    for place in range(max(len(high), len(low))):
        first = high[place] if place < len(high) else None
        second = low[place] if place < len(low) else None
        named = first or second
        if named is not None:
            values = (first.value if first else None, second.value if second else None)
            made += _one(named, observable, values, wear)
    return made


def _seq(reading: Reading) -> int:
    return reading.seq


def _one(reading: Reading, observable: Observable, values: tuple[float | None, ...], wear: Wear) -> list[Measured]:
    patient = wear.patient(reading.device, reading.t, reading.received)
    if patient is None:
        return []
    return [Measured(reading.device, reading.seq, reading.t, reading.received, patient, observable, values)]


def read_one(device: int, seq: int, wear: Wear) -> Measured | None:
    """Return the observation that a reading names, if one of the patients wore the device."""
    if device not in wear.devices:
        return None
    reading = store().reading(device, seq)
    observable = BY_METRIC.get(reading.metric) if reading else None
    if reading is None or observable is None:
        return None
    codes = [part.code for part in observable.parts]
    moment = store().history([device], codes, reading.t, reading.t + 1e-6)
    same = [one for one in moment if one.t == reading.t]
    return next((one for one in measured(same, wear) if one.seq == seq), None)


def walk(wear: Wear, devices: Collection[int], codes: Sequence[int], window: Window, keep: Keep) -> Iterator[Measured]:
    """Yield what `keep` keeps, in order of time: few buckets at first, more while too little was found."""
    take, low, high = 1, int(window.t_from) // BUCKET_S, int(window.t_to) // BUCKET_S
    while devices and low <= high:
        buckets = store().buckets(devices, low, high, LOOKED_AHEAD, window.newest_first)
        if not buckets:
            return
        place = 0
        while place < len(buckets):
            chunk = buckets[place : place + take]
            place, take = place + take, min(take * 2, AT_ONCE)
            t_from, t_to = max(window.t_from, min(chunk) * BUCKET_S), min(window.t_to, (max(chunk) + 1) * BUCKET_S)
            found = measured(store().history(devices, codes, t_from, t_to), wear)
            kept = [one for one in found if keep(one)]
            yield from sorted(kept, key=lambda one: one.position, reverse=window.newest_first)
        if window.newest_first:
            high = min(buckets) - 1
        else:
            low = max(buckets) + 1
