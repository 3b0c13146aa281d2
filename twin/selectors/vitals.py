"""Newest values of patients as tiles: value, unit, age, and for how long the value may still be believed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from devices.kinds.measurement import stale_after_s
from devices.kinds.registry import KINDS, Form, Measurement
from devices.models import Device
from devices.selectors.worn import worn_since
from devices.services.telemetry import store
from devices.telemetry.store import Reading

# What a ward glances at, most telling first; pressure is shown as one tile of two numbers.
GLANCE = (
    "glucose",
    "heart_rate",
    "spo2",
    "respiration_rate",
    "bp_systolic",
    "temperature",
    "insulin_rate",
    "infusion_rate",
    "line_pressure",
    "fev1",
    "fvc",
    "fev1_fvc",
    "pef",
)
SECOND = {"bp_systolic": "bp_diastolic"}
_LABELS = {"bp_systolic": "Pressure"}
EVENT_SHOWN_S = 24 * 3600.0  # an examination is believed until the same hour of the next day
SPARK_S = 3 * 3600
SPARK_POINTS = 120

Who = TypeVar("Who")
Latest = Mapping[tuple[int, int], Reading]


def fresh_for_s(measurement: Measurement) -> float:
    """Return for how many seconds a value may be shown: as long as no alert calls it stale."""
    return stale_after_s(measurement.period_s)


def shown_for_s(measurement: Measurement) -> float:
    """Return for how many seconds a tile shows a value: what comes with an event has no next one to be late."""
    return fresh_for_s(measurement) if measurement.period_s else EVENT_SHOWN_S


def by_device_and_metric(readings: Iterable[Reading]) -> dict[tuple[int, int], Reading]:
    """Return the readings by (device id, metric code)."""
    return {(reading.device, reading.metric): reading for reading in readings}


@dataclass(frozen=True, slots=True)
class Tile:
    """One vital sign as shown. `t` and `received` are s since the Unix epoch, None before the first reading."""

    key: str
    label: str
    code: int
    unit: str
    decimals: int
    device_id: int
    device_label: str
    fresh_for_s: float
    t: float | None = None
    received: float | None = None
    seq: int | None = None  # names the reading: with it the number opens its evidence
    value: float | None = None
    second_key: str = ""
    second: float | None = None
    stale: bool = True

    @property
    def text(self) -> str:
        """The number as people read it, or nothing when there is none to believe."""
        if self.value is None or self.stale:
            return ""
        first = f"{self.value:.{self.decimals}f}"
        return first if self.second is None else f"{first}/{self.second:.{self.decimals}f}"


def tiles_of(devices: Sequence[Device], latest: Latest, now: float, first: Sequence[str] = ()) -> list[Tile]:
    """Return the tiles of one patient's devices in the order of a glance, `first` before all others.

    A metric that two devices measure is taken from the one with the newer reading.
    """
    best: dict[str, Tile] = {}
    for device in devices:
        for measurement in KINDS[device.kind].measurements:
            if measurement.key in GLANCE and measurement.kind is Form.SCALAR:
                tile = _tile(device, measurement, latest, now)
                held = best.get(tile.key)
                if held is None or (tile.t or 0.0) > (held.t or 0.0):
                    best[tile.key] = tile
    order = [*first, *GLANCE]
    return sorted(best.values(), key=lambda tile: order.index(tile.key))


def _tile(device: Device, measurement: Measurement, latest: Latest, now: float) -> Tile:
    reading = latest.get((device.pk, measurement.code))
    second_key = SECOND.get(measurement.key, "")
    second = latest.get((device.pk, KINDS[device.kind][second_key].code)) if second_key else None
    freshness = shown_for_s(measurement)
    return Tile(
        key=measurement.key,
        label=_LABELS.get(measurement.key, measurement.label),
        code=measurement.code,
        unit=measurement.unit_label,
        decimals=measurement.decimals,
        device_id=device.pk,
        device_label=device.label,
        fresh_for_s=freshness,
        t=reading.t if reading else None,
        received=reading.received if reading else None,
        seq=reading.seq if reading else None,
        value=reading.value if reading else None,
        second_key=second_key,
        second=second.value if second else None,
        stale=reading is None or now - reading.t > freshness,
    )


def sparks_of(boards: Mapping[Who, Iterable[Tile]], now: float) -> dict[Who, dict[str, list[tuple[float, float]]]]:
    """Return the last three hours behind every tile, thinned: whose -> metric key -> [(t, value)].

    Each line begins where its device came to who has it now. The store is asked once for all of them.
    """
    shown = {who: [tile for tile in tiles if tile.t is not None] for who, tiles in boards.items()}
    tiles = [tile for mine in shown.values() for tile in mine]
    since = worn_since(tile.device_id for tile in tiles)
    begins = {tile.device_id: max(now - SPARK_S, since.get(tile.device_id, 0.0)) for tile in tiles}
    lines: dict[tuple[int, int], list[Reading]] = defaultdict(list)
    for reading in store().lines(begins, {tile.code for tile in tiles}, now + 1, SPARK_POINTS):
        if reading.received >= since.get(reading.device, 0.0):
            lines[reading.device, reading.metric].append(reading)
    return {
        who: {tile.key: _points(tile, lines[tile.device_id, tile.code]) for tile in mine} for who, mine in shown.items()
    }


def _points(tile: Tile, line: Iterable[Reading]) -> list[tuple[float, float]]:
    return [(round(reading.t, 1), round(reading.value, tile.decimals)) for reading in line]
