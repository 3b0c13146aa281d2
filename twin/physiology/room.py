"""Emulated things around the bed that do not measure the body: the pillbox, and the MR scanner of the ward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from devices.emulator.plant import Sample
from devices.kinds.registry import by_key
from twin.physiology.bedside import Cadence, battery, samples
from twin.physiology.daily import Day, plan_day
from twin.physiology.noise import hashed_normal
from twin.physiology.parameters import Floats
from twin.physiology.people import VirtualPatient

TRAY_G = 38.0
SPARE_DOSES = 3
REFILL_HOUR = 6.0  # Monday mornings, by the ward's pharmacy
WEIGHING_SIGMA_G = 0.012


@dataclass(frozen=True, slots=True)
class Opening:
    """One time that the lid opens, and what the tray weighs less afterwards (negative: refilled)."""

    t: float
    taken_g: float
    reached_in: bool

    def script(self) -> tuple[tuple[float, str, float], ...]:
        """Return (seconds after opening, measurement, value) as the three sensors report it; nan means weigh now."""
        hand = ((1.4, "hand_present", 1.0), (4.6, "hand_present", 0.0)) if self.reached_in else ()
        weigh = float("nan")
        return (
            (-0.5, "tray_weight", weigh),
            (0.0, "lid_open", 1.0),
            *hand,
            (7.2, "lid_open", 0.0),
            (9.7, "tray_weight", weigh),
        )


class SmartPillbox:
    """Lid, hand and weight as a person takes, forgets, or only looks."""

    def __init__(self, device: int, who: VirtualPatient, period_s: float) -> None:
        self.device, self.who = device, who
        self._weighings = Cadence(period_s, 900.0)
        self._lid = Cadence(max(period_s, 300.0), 900.0)
        self._weeks: dict[date, list[Opening]] = {}

    def emit(self, since: float, until: float, coarse: bool) -> Iterator[Sample]:
        """Yield weighings at rest, and every opening in full: those are never thinned out."""
        t = self._weighings.ticks(since, until, coarse)
        yield from samples(self.device, "tray_weight", t, self._weight_g(t))
        closed = self._lid.ticks(since, until, coarse)
        openings = self._openings(since - 60.0, until + 60.0)
        quiet = np.array([at for at in closed if not any(o.t - 1.0 < at < o.t + 12.0 for o in openings)])
        yield from samples(self.device, "lid_open", quiet, np.zeros(quiet.size))
        for opening in openings:
            for after, key, value in opening.script():
                at = np.array([opening.t + after])
                if since < at[0] <= until:
                    yield from samples(
                        self.device, key, at, self._weight_g(at) if np.isnan(value) else np.array([value])
                    )
        yield from battery(self.device, self.device, since, until, coarse)

    def _week(self, t: float) -> list[Opening]:
        """Return the openings of the week, Monday to Sunday, that holds `t`, in order of time."""
        today = self.who.local_date(t)
        monday = today - timedelta(days=today.weekday())
        if monday not in self._weeks:
            days = [plan_day(self.who, monday + timedelta(days=offset), 12.0) for offset in range(7)]
            before = [plan_day(self.who, monday - timedelta(days=back), 12.0) for back in range(7, 0, -1)]
            eaten = sum(intake.amount for day in before for intake in day.intakes)
            refill = Opening(self.who.moment(monday, REFILL_HOUR), -eaten, True)
            self._weeks = {monday: sorted([refill, *self._of_days(days)], key=lambda opening: opening.t)}
        return self._weeks[monday]

    def _of_days(self, days: list[Day]) -> list[Opening]:
        rng = self.who.rng(10)
        taken = [Opening(intake.t, intake.amount, True) for day in days for intake in day.intakes]
        return taken + [Opening(t, 0.0, bool(rng.random() < 0.4)) for day in days for t in day.peeks]

    def _openings(self, since: float, until: float) -> list[Opening]:
        near = {opening.t: opening for edge in (since, until) for opening in self._week(edge)}
        return [near[t] for t in sorted(near) if since < t <= until]

    def _weight_g(self, t: Floats) -> Floats:
        """Return what the scale shows: the tray, this week's tablets and a little noise."""
        spare = TRAY_G + SPARE_DOSES * sum(dose.grams for dose in self.who.doses)
        full = spare + 7.0 * sum(dose.grams for dose in self.who.doses)
        left = np.empty_like(t)
        for index, at in enumerate(t.tolist()):
            week = self._week(at)
            # Until Monday's refill the tray holds what last week left over.
            start = full + min(opening.taken_g for opening in week) if week else full
            left[index] = start - sum(opening.taken_g for opening in week if opening.t + 3.0 <= at)
        return np.asarray(left + WEIGHING_SIGMA_G * hashed_normal(self.who.seed, np.round(t * 10.0).astype(np.int64)))


class MagnetScanner:
    """The ward's MR scanner: examinations of twelve minutes, a table time before each, and helium that slowly boils
    off.
    """

    CYCLE_S = 1500.0
    PREPARING_S, SCANNING_S = 600.0, 780.0  # into the cycle

    def __init__(self, device: int, period_s: float) -> None:
        self.device = device
        self._cadence = Cadence(period_s, 300.0)

    def emit(self, since: float, until: float, coarse: bool) -> Iterator[Sample]:
        """Yield state, progress and helium."""
        t = self._cadence.ticks(since, until, coarse)
        into = t % self.CYCLE_S
        state = np.where(into < self.PREPARING_S, 0.0, np.where(into < self.SCANNING_S, 1.0, 2.0))
        progress = np.where(state == 2.0, 100.0 * (into - self.SCANNING_S) / (self.CYCLE_S - self.SCANNING_S), 0.0)
        helium = 92.0 - (t / 86400.0 % 365.0) * 0.04
        yield from samples(self.device, "scanner_state", t, state)
        yield from samples(self.device, "scan_progress", t, progress)
        if t.size:
            yield Sample(self.device, by_key("helium_level").code, float(t[-1]), round(float(helium[-1]), 1))
