"""Emulated devices at a bed: each turns its person's physiology into what a real device of its kind reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import numpy as np

from devices.emulator.plant import Block, Command, CommandKind, Outcome, Sample
from devices.kinds.registry import by_key
from twin.physiology.body import Bodies, PumpOrder
from twin.physiology.daily import Day, plan_day
from twin.physiology.ecg import BLOCK_SAMPLES, SAMPLE_RATE_HZ, Heart
from twin.physiology.noise import Wander, hashed_normal
from twin.physiology.parameters import Floats
from twin.physiology.people import EpisodeKind, VirtualPatient
from twin.physiology.vitals import Signs, VitalSigns

ECG_SCALE_MV = 0.001
RESERVOIR_U = 180.0
SET_CHANGE_HOUR = 9.0
BAG_CHANGE_HOUR = 6.0


@dataclass(frozen=True, slots=True)
class Cadence:
    """Seconds between two readings, live and while catching up."""

    live_s: float
    coarse_s: float

    def ticks(self, since: float, until: float, coarse: bool) -> Floats:
        """Return the moments in (since, until], on a grid fixed to the clock."""
        period = max(self.coarse_s, self.live_s) if coarse else self.live_s
        return np.arange(np.floor(since / period) + 1, np.floor(until / period) + 1) * period


class Source(Protocol):
    """One device."""

    def emit(self, since: float, until: float, coarse: bool) -> Iterator[Sample | Block]:
        """Yield what it measured in (since, until]; `coarse` is the stored history after a time out of contact."""
        ...


def samples(device: int, key: str, t: Floats, values: Floats) -> Iterator[Sample]:
    """Yield readings rounded and limited as the kind's table says."""
    measurement = by_key(key)
    shown = np.clip(np.round(values, measurement.decimals), measurement.low, measurement.high)
    for at, value in zip(t.tolist(), shown.tolist(), strict=True):
        yield Sample(device, measurement.code, at, value)


def battery(device: int, seed: int, since: float, until: float, coarse: bool) -> Iterator[Sample]:
    """Yield the charge: down over two days, then on the charger for three hours."""
    t = Cadence(300.0, 900.0).ticks(since, until, coarse)
    into = (t / 3600.0 + seed * 7.3) % 51.0
    yield from samples(device, "battery", t, np.where(into < 48.0, 100.0 - 1.6 * into, 23.2 + 25.6 * (into - 48.0)))


class GlucoseMonitor:
    """A CGM: interstitial glucose with the slow drift and the small jitter of a real sensor.

    The error is about 4 % and correlated over a quarter of an hour (Facchinetti et al., Diabetes Technol Ther 2014),
    plus 1 mg/dL.
    """

    def __init__(self, device: int, who: VirtualPatient, bodies: Bodies, column: int, period_s: float) -> None:
        self.device, self.who, self.bodies, self.column = device, who, bodies, column
        self._cadence = Cadence(period_s, 300.0)
        self._drift = Wander.drawn(who.rng(6), 900.0, modes=10)

    def emit(self, since: float, until: float, coarse: bool) -> Iterator[Sample]:
        """Yield glucose and battery."""
        t = self._cadence.ticks(since, until, coarse)
        if t.size:
            jitter = hashed_normal(self.who.seed, t.astype(np.int64))
            true = self.bodies.sensor_mg_dl(self.column, t)
            yield from samples(self.device, "glucose", t, true * (1.0 + 0.04 * self._drift.at(t)) + jitter)
        yield from battery(self.device, self.device, since, until, coarse)


class InsulinPump:
    """Basal rate, boluses, delivered counter, reservoir and alarm.

    The reservoir is changed, and the counter reset, each morning.
    """

    def __init__(self, device: int, who: VirtualPatient, bodies: Bodies, column: int, period_s: float) -> None:
        self.device, self.who, self.bodies, self.column = device, who, bodies, column
        self._cadence = Cadence(period_s, 300.0)
        self._obeyed: set[str] = set()

    def emit(self, since: float, until: float, coarse: bool) -> Iterator[Sample]:
        """Yield everything the pump logs."""
        t = with_edges(self._cadence.ticks(since, until, coarse), self.who, since, until)
        blocked = np.array([self.bodies.occluded(self.column, at) for at in t], dtype=np.float64)
        used = self.bodies.delivered_u(self.column, t) - self.bodies.delivered_u(self.column, self._changed(t))
        programmed = float(self.bodies.therapy.basal_u_per_h[self.column])
        told = [self.bodies.order_at(self.column, at) for at in t]
        basal = np.array([programmed if one is None else min(programmed, one.rate_u_per_h) for one in told])
        yield from samples(self.device, "pump_alarm", t, blocked)
        yield from samples(self.device, "insulin_rate", t, np.where(blocked > 0, 0.0, basal))
        yield from samples(self.device, "insulin_delivered", t, used)
        yield from samples(self.device, "insulin_reservoir", t, RESERVOIR_U - used)
        given = self.bodies.boluses(self.column, since, until)
        yield from samples(
            self.device, "insulin_bolus", np.array([b.t for b in given]), np.array([b.amount for b in given])
        )
        yield from battery(self.device, self.device, since, until, coarse)

    def carry_out(self, command: Command, t: float) -> Outcome:
        """Obey from `t` on. An insulin pump that is stopped takes no other rate before it runs again."""
        if command.name in self._obeyed:
            return Outcome(True)
        if command.kind is CommandKind.TEMPORARY_BASAL:
            if self.bodies.suspended(self.column, t):
                return Outcome(False, "the pump is stopped")
            rate, until = max(0.0, command.rate_u_per_h), t + command.duration_s
            self.bodies.order(PumpOrder(self.column, t, until, rate, stops=False))
        elif command.kind is CommandKind.SUSPEND:
            self.bodies.order(PumpOrder(self.column, t, np.inf, 0.0, stops=True))
        elif command.kind is CommandKind.RESUME or not self.bodies.suspended(self.column, t):
            self.bodies.order(PumpOrder(self.column, t, t, 0.0, stops=False))  # ends what held, and holds for no time
        self._obeyed.add(command.name)
        return Outcome(True)

    def _changed(self, t: Floats) -> Floats:
        return np.array([last_change(self.who, at, SET_CHANGE_HOUR) for at in t])


class InfusionPump:
    """A large-volume pump with a constant rate; a blocked line raises the pressure before the alarm stops the flow."""

    def __init__(self, device: int, who: VirtualPatient, period_s: float) -> None:
        self.device, self.who = device, who
        self._cadence = Cadence(period_s, 300.0)
        self._rate_ml_per_h = float(who.rng(7).choice([21.0, 42.0, 63.0, 84.0]))
        self._pressure = Wander.drawn(who.rng(8), 60.0, modes=8)

    def emit(self, since: float, until: float, coarse: bool) -> Iterator[Sample]:
        """Yield rate, volume, pressure and alarm."""
        t = with_edges(self._cadence.ticks(since, until, coarse), self.who, since, until)
        episodes = self.who.of_kind(EpisodeKind.OCCLUSION)
        blocked = np.array([any(e.covers(at) for e in episodes) for at in t], dtype=np.float64)
        pressure = 45.0 + 6.0 * self._pressure.at(t)
        for e in episodes:
            held = (t >= e.at - 45.0) & (t < e.at + e.duration_s)
            pressure = pressure + np.where(held, 460.0 * np.clip((t - e.at + 45.0) / 45.0, 0.0, 1.0) ** 2, 0.0)
        changed = np.array([last_change(self.who, at, BAG_CHANGE_HOUR) for at in t])
        stopped = sum(
            (np.clip(np.minimum(t, e.at + e.duration_s) - np.maximum(changed, e.at), 0.0, None) for e in episodes),
            np.zeros_like(t),
        )
        yield from samples(self.device, "pump_alarm", t, blocked)
        yield from samples(self.device, "infusion_rate", t, np.where(blocked > 0, 0.0, self._rate_ml_per_h))
        yield from samples(self.device, "infused_volume", t, self._rate_ml_per_h * (t - changed - stopped) / 3600.0)
        yield from samples(self.device, "line_pressure", t, pressure)
        yield from battery(self.device, self.device, since, until, coarse)


class VitalMonitor:
    """Numbers every two seconds, a cuff pressure every minute, temperature every ten seconds, and the ECG."""

    def __init__(
        self, device: int, who: VirtualPatient, body: tuple[Bodies, int] | None, period_s: float, cuff_s: float
    ) -> None:
        self.device, self.who, self.body = device, who, body
        self.signs = VitalSigns(who)
        self._numbers, self._cuff, self._heat = Cadence(period_s, 60.0), Cadence(cuff_s, 900.0), Cadence(10.0, 300.0)
        self._heart = Heart(who.rng(9))
        self._next_block: float | None = None
        self._days: dict[int, Day] = {}

    def emit(self, since: float, until: float, coarse: bool) -> Iterator[Sample | Block]:
        """Yield numbers and, unless coarse, ECG blocks of half a second."""
        t = self._numbers.ticks(since, until, coarse)
        if t.size:
            signs = self._signs(t)
            yield from samples(self.device, "heart_rate", t, signs.heart_rate)
            yield from samples(self.device, "spo2", t, signs.spo2)
            yield from samples(self.device, "respiration_rate", t, signs.respiration_rate)
        heat = self._heat.ticks(since, until, coarse)
        if heat.size:
            yield from samples(self.device, "temperature", heat, self._signs(heat).temperature)
        cuff = self._cuff.ticks(since, until, coarse)
        if cuff.size:
            signs = self._signs(cuff)
            for key, values in (
                ("bp_systolic", signs.bp_systolic),
                ("bp_diastolic", signs.bp_diastolic),
                ("bp_mean", signs.bp_mean),
            ):
                yield from samples(self.device, key, cuff, values)
        if not coarse:
            yield from self._blocks(since, until)
        yield from battery(self.device, self.device, since, until, coarse)

    def _signs(self, t: Floats) -> Signs:
        glucose = None if self.body is None else self.body[0].sensor_mg_dl(self.body[1], t)
        return self.signs.at(t, self._day(float(t[-1])), glucose)

    def _day(self, t: float) -> Day:
        date = self.who.local_date(t)
        if date.toordinal() not in self._days:
            self._days = {date.toordinal(): plan_day(self.who, date, 12.0)}
        return self._days[date.toordinal()]

    def _blocks(self, since: float, until: float) -> Iterator[Block]:
        length_s = BLOCK_SAMPLES / SAMPLE_RATE_HZ
        start = since if self._next_block is None or self._next_block < since - 2.0 else self._next_block
        signs = self._signs(np.array([start])) if start + length_s <= until else None
        while signs is not None and start + length_s <= until:
            wave = self._heart.block(start, float(signs.heart_rate[0]), float(signs.respiration_rate[0]))
            scaled = np.round(wave / ECG_SCALE_MV).astype(np.int16)
            yield Block(self.device, by_key("ecg").code, start, 1.0 / SAMPLE_RATE_HZ, ECG_SCALE_MV, scaled)
            start += length_s
        self._next_block = start


def with_edges(t: Floats, who: VirtualPatient, since: float, until: float) -> Floats:
    """Add the exact moments at which an alarm begins or ends: a pump reports those at once."""
    edges = [edge for e in who.of_kind(EpisodeKind.OCCLUSION) for edge in (e.at, e.at + e.duration_s)]
    return np.union1d(t, [edge for edge in edges if since < edge <= until])


def last_change(who: VirtualPatient, t: float, hour: float) -> float:
    """Return the newest daily moment at or before `t` at that local hour."""
    today = who.local_date(t)
    change = who.moment(today, hour)
    return change if change <= t else who.moment(today - timedelta(days=1), hour)
