"""Limits laid out as arrays: for every watched device and limited metric the values between which nothing happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.alerts.limits import Limit, Side

P = TypeVar("P")  # how the caller names a patient


@dataclass(frozen=True, slots=True)
class Rulebook(Generic[P]):
    """What is watched, and between which bounds it is quiet.

    devices: uint32[D] and metrics: uint32[M], both sorted. low, high: float64[(D + 1) * (M + 1)], row by row; the last
    row stands for unknown devices and the last column for metrics without a limit: both infinitely wide.
    """

    devices: NDArray[np.uint32]
    metrics: NDArray[np.uint32]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    news_s: NDArray[np.float64]
    patients: Mapping[int, P | None]  # device id -> patient; nobody's device is known but not watched
    tables: Mapping[P | None, tuple[tuple[Limit, ...], ...]]  # limits by column; None is the house's

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.metrics) + 1

    @property
    def size(self) -> int:
        """Number of slots."""
        return (len(self.devices) + 1) * self.width

    def rows(self, device: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Return the row of each device id; int[n]."""
        return _places(self.devices, device)

    def columns(self, metric: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Return the column of each metric code; int[n]."""
        return _places(self.metrics, metric)

    def watches(self, slot: int) -> bool:
        """Tell whether a slot belongs to a watched device and a limited metric."""
        row, column = divmod(slot, self.width)
        return (
            row < len(self.devices) and column < len(self.metrics) and self.patients[int(self.devices[row])] is not None
        )

    def patient_of(self, device: int) -> P:
        """Return the patient of a watched device."""
        patient = self.patients[device]
        if patient is None:
            raise LookupError(f"device {device} is nobody's")
        return patient

    def device_at(self, slot: int) -> int:
        """Return the device id of a slot."""
        return int(self.devices[slot // self.width])

    def limits_at(self, slot: int) -> tuple[Limit, ...]:
        """Return the limits that hold in a slot."""
        patient = self.patient_of(self.device_at(slot))
        return self.tables.get(patient, self.tables[None])[slot % self.width]


def build(
    *,
    patients: Mapping[int, P | None],
    house: Sequence[Limit],
    personal: Mapping[P, Sequence[Limit]],
    code_of: Callable[[str], int],
    news_s_of: Callable[[str], float],
) -> Rulebook[P]:
    """Lay out the limits.

    patients: device id -> patient, for all known devices. personal: all limits of a patient who has own ones.
    code_of: metric key -> 32-bit code. news_s_of: metric key -> how late a reading may come and still be news, s.
    """
    devices = np.array(sorted(patients), dtype=np.uint32)
    codes = {limit.metric: code_of(limit.metric) for limit in house}
    metrics = np.array(sorted(codes.values()), dtype=np.uint32)
    column = {key: int(np.searchsorted(metrics, code)) for key, code in codes.items()}
    tables: dict[P | None, tuple[tuple[Limit, ...], ...]] = {None: _by_column(house, column)}
    tables.update((patient, _by_column(limits, column)) for patient, limits in personal.items())
    bounds = {name: _bounds(table) for name, table in tables.items()}
    low = np.full((len(devices) + 1, len(metrics) + 1), -np.inf)
    high = np.full_like(low, np.inf)
    for row, device in enumerate(devices.tolist()):
        if (patient := patients[device]) is not None:
            low[row], high[row] = bounds.get(patient, bounds[None])
    news_s = np.full(len(metrics) + 1, np.inf)
    for key, place in column.items():
        news_s[place] = news_s_of(key)
    return Rulebook(devices, metrics, low.ravel(), high.ravel(), news_s, dict(patients), tables)


def _by_column(limits: Sequence[Limit], column: Mapping[str, int]) -> tuple[tuple[Limit, ...], ...]:
    table: list[list[Limit]] = [[] for _ in range(len(column) + 1)]
    for limit in limits:
        table[column[limit.metric]].append(limit)
    return tuple(tuple(levels) for levels in table)


def _bounds(table: Sequence[Sequence[Limit]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the outermost bounds by column. Alarming values of an enumeration lie above its normal ones."""
    low, high = np.full(len(table), -np.inf), np.full(len(table), np.inf)
    for place, levels in enumerate(table):
        low[place] = max((limit.bound for limit in levels if limit.side is Side.LOW), default=-np.inf)
        high[place] = min(
            (limit.bound - 0.5 * (limit.side is Side.EQUAL) for limit in levels if limit.side is not Side.LOW),
            default=np.inf,
        )
    return low, high


def _places(known: NDArray[np.uint32], wanted: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Return the place of each wanted value in the sorted `known`, or len(known) where it is absent."""
    if not len(known):
        return np.zeros(len(wanted), dtype=np.intp)
    place = np.searchsorted(known, wanted)
    place[known[np.minimum(place, len(known) - 1)] != wanted] = len(known)
    return place
