"""The glucose metabolism of a ward's people with diabetes, advanced together on a one-minute grid.

The grid is fixed to the clock and the first day is simulated again at every start, so that a restarted emulator
arrives at the same state: after a day nothing of the assumed beginning is left (the slowest constant of the model is
under three hours).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import numpy as np

from twin.physiology.daily import Day, Happening, movement, plan_day
from twin.physiology.glucose import MG_DL_PER_MMOL_L, Compartment, Inputs, simulate, steady_state, step
from twin.physiology.noise import Wander
from twin.physiology.parameters import Floats, Parameters
from twin.physiology.people import Episode, EpisodeKind, VirtualPatient
from twin.physiology.therapy import Therapy, titrate

MINUTE_S = 60.0
WARM_UP_S = 28 * 3600.0
KEEP_MINUTES = 28 * 60
STAGE_AHEAD_MIN = 110  # a bolus needs nearly two hours to bring down what a meal left ...
STAGE_LATE_MIN = 55  # ... and one hour from a fasting value
STAGE_LATE_BELOW_MG_DL = 120.0
FASTING_AFTER_MIN = 30
LARGEST_OVERDOSE_U = 10.0
RESCUE_BELOW_MG_DL = 52.0
RESCUE_CARBS_G = 22.0
RESCUE_PAUSE_S = 1200.0
SENSITIVITY_RANGE = (0.35, 0.65)  # of the published mean: brings doses to those of an ordinary adult (0.5 U/kg a day)


def individual_parameters(people: list[VirtualPatient]) -> Parameters:
    """Return each person's constants, one column per person, from the person's seed."""
    columns = []
    for who in people:
        rng = who.rng(2)
        one = Parameters.published(who.weight_kg).drawn(rng, spread=0.12)
        columns.append(one.with_sensitivity(rng.uniform(*SENSITIVITY_RANGE)))
    return Parameters.joined(columns)


@dataclass(frozen=True, slots=True)
class _Course:
    """What enters n people in each of k coming minutes, each float64[k, n]."""

    carbs_g: Floats
    bolus_u: Floats
    basal_u_per_h: Floats
    resistance: Floats


@dataclass(frozen=True, slots=True)
class PumpOrder:
    """A rate that a person's pump was told to deliver at most, in [since, until), s since the Unix epoch.

    stops: the pump is suspended, and gives no bolus either.
    """

    column: int
    since: float
    until: float
    rate_u_per_h: float
    stops: bool


class Bodies:
    """Glucose, pump and table of n people. `minute` is the newest simulated grid point, s since the Unix epoch."""

    def __init__(self, people: list[VirtualPatient], t: float) -> None:
        self.people = people
        self.parameters = individual_parameters(people)
        self.therapy: Therapy = titrate(self.parameters)
        self._resistance = [Wander.drawn(who.rng(3), 4 * 3600.0, modes=8) for who in people]
        self._days: dict[tuple[int, date], Day] = {}
        self._staged: list[tuple[int, Happening]] = []  # column, bolus that a script asked for
        self._rescued = np.full(len(people), -np.inf)
        self._orders: list[PumpOrder] = []  # what gateways told the pumps
        self.minute = float(np.floor((t - WARM_UP_S) / MINUTE_S) * MINUTE_S)
        self.state = steady_state(self.parameters, 125.0)[0]
        # Newest row last; a minute each.
        self._sensor = np.repeat(self._sensor_now()[None], KEEP_MINUTES, axis=0)
        self._delivered = np.zeros((KEEP_MINUTES, len(people)))  # U since the warm-up began
        self.advance(t)

    def advance(self, t: float) -> None:
        """Simulate until one grid point lies at or after `t`, so that every earlier time can be interpolated."""
        steps = int(np.ceil((t - self.minute) / MINUTE_S))
        if steps <= 0 or not self.people:
            return
        minutes = self._grid(self.minute, steps)
        course = self._course(minutes)
        due = self._stages_due(minutes)
        for index, minute in enumerate(minutes.tolist()):
            for column, episode in due.get(index, ()):
                course.bolus_u[index, column] += self._stage(column, episode, minute)
            self._step(course, index)

    def sensor_mg_dl(self, column: int, t: Floats) -> Floats:
        """Return the interstitial glucose of one person at the times."""
        return self._between(self._sensor[:, column], t)

    def delivered_u(self, column: int, t: Floats) -> Floats:
        """Return the insulin delivered since the warm-up began; only differences mean something."""
        return self._between(self._delivered[:, column], t)

    def days(self, column: int, since: float, until: float) -> Iterator[Day]:
        """Yield the plans of the local days that [since, until] touches."""
        who = self.people[column]
        for ordinal in range(who.local_date(since).toordinal(), who.local_date(until).toordinal() + 1):
            yield self._plan(column, date.fromordinal(ordinal))

    def boluses(self, column: int, since: float, until: float) -> list[Happening]:
        """Return the boluses given in [since, until), staged ones too, without those that an occlusion stopped."""
        planned = [bolus for day in self.days(column, since, until) for bolus in day.boluses]
        planned += [bolus for c, bolus in self._staged if c == column]
        stopped = partial(self._gives_nothing, column)
        given = [b for b in planned if since <= b.t < until and not stopped(b.t)]
        return sorted(given, key=lambda bolus: bolus.t)

    def _gives_nothing(self, column: int, t: float) -> bool:
        return self.occluded(column, t) or self.suspended(column, t)

    def occluded(self, column: int, t: float) -> bool:
        """Tell whether the person's insulin line is blocked."""
        return any(episode.covers(t) for episode in self.people[column].of_kind(EpisodeKind.OCCLUSION))

    def order(self, order: PumpOrder) -> None:
        """Have a person's pump deliver something else from a moment on; what held before ends there."""
        self._orders = [
            replace(one, until=min(one.until, order.since)) if one.column == order.column else one
            for one in self._orders
        ]
        self._orders.append(order)
        self._orders = [one for one in self._orders if one.until > max(one.since, self.minute - WARM_UP_S)]

    def suspended(self, column: int, t: float) -> bool:
        """Tell whether somebody stopped the person's pump."""
        order = self.order_at(column, t)
        return order is not None and order.stops

    def order_at(self, column: int, t: float) -> PumpOrder | None:
        """Return what the person's pump was told that holds at `t`; None for what is programmed."""
        return next((one for one in self._orders if one.column == column and one.since <= t < one.until), None)

    def _between(self, rows: Floats, t: Floats) -> Floats:
        position = np.clip((t - self.minute) / MINUTE_S + KEEP_MINUTES - 1, 0.0, KEEP_MINUTES - 1.0)
        before = np.minimum(position.astype(np.int64), KEEP_MINUTES - 2)
        part = position - before
        return np.asarray(rows[before] * (1.0 - part) + rows[before + 1] * part)

    @staticmethod
    def _grid(start: float, minutes: int) -> Floats:
        return np.asarray(start + MINUTE_S * np.arange(minutes), dtype=np.float64)

    def _sensor_now(self) -> Floats:
        return np.asarray(self.state[Compartment.SENSOR] * MG_DL_PER_MMOL_L)

    def _plan(self, column: int, day: date) -> Day:
        key = (column, day)
        if key not in self._days:
            self._days[key] = plan_day(self.people[column], day, float(self.therapy.carb_ratio_g_per_u[column]))
            if len(self._days) > 4 * len(self.people) + 4:
                self._days.pop(next(iter(self._days)))  # the oldest: dictionaries keep their order
        return self._days[key]

    def _course(self, minutes: Floats) -> _Course:
        shape = (minutes.size, len(self.people))
        course = _Course(np.zeros(shape), np.zeros(shape), np.zeros(shape), np.ones(shape))
        since, until = float(minutes[0]), float(minutes[-1] + MINUTE_S)
        for column, who in enumerate(self.people):
            days = list(self.days(column, since, until))
            course.carbs_g[:, column] = _binned([meal for day in days for meal in day.meals], minutes)
            course.bolus_u[:, column] = _binned(self.boluses(column, since, until), minutes)
            course.basal_u_per_h[:, column] = self.therapy.basal_u_per_h[column]
            for episode in who.of_kind(EpisodeKind.HYPOGLYCAEMIA):
                # The usual story behind it: a bolus for a meal that was not eaten.
                since_min, until_min = episode.at - STAGE_AHEAD_MIN * 60.0, episode.at + FASTING_AFTER_MIN * 60.0
                course.carbs_g[(minutes >= since_min) & (minutes < until_min), column] = 0.0
            for episode in who.of_kind(EpisodeKind.OCCLUSION):
                blocked = (minutes >= episode.at) & (minutes < episode.at + episode.duration_s)
                course.basal_u_per_h[blocked, column] = 0.0
            for order in self._orders:
                told = (minutes >= order.since) & (minutes < order.until)
                if order.column == column:
                    course.basal_u_per_h[told, column] = np.minimum(
                        course.basal_u_per_h[told, column], order.rate_u_per_h
                    )
            dawn = 0.10 * np.cos((who.local_hour(minutes) - 6.0) * np.pi / 12.0)
            sport = movement(tuple(bout for day in days for bout in day.bouts), minutes)
            resistance = 1.0 + dawn + 0.07 * self._resistance[column].at(minutes) - 0.2 * sport
            course.resistance[:, column] = np.clip(resistance, 0.6, 1.5)
        return course

    def _step(self, course: _Course, index: int) -> None:
        carbs = course.carbs_g[index] + self._rescue()
        basal, bolus = course.basal_u_per_h[index], course.bolus_u[index]
        self.state = step(self.state, self.parameters, Inputs(basal, carbs, bolus, course.resistance[index]))
        self.minute += MINUTE_S
        self._sensor[:-1] = self._sensor[1:]
        self._delivered[:-1] = self._delivered[1:]
        self._sensor[-1] = self._sensor_now()
        self._delivered[-1] = self._delivered[-2] + bolus + basal / 60.0

    def _rescue(self) -> Floats:
        """Return the juice that a nurse gives at severe hypoglycaemia, g: once, then wait and see."""
        low = (self._sensor[-1] < RESCUE_BELOW_MG_DL) & (self.minute - self._rescued > RESCUE_PAUSE_S)
        self._rescued = np.where(low, self.minute, self._rescued)
        return np.where(low, RESCUE_CARBS_G, 0.0)

    def _stages_due(self, minutes: Floats) -> dict[int, list[tuple[int, Episode]]]:
        due: dict[int, list[tuple[int, Episode]]] = {}
        for column, who in enumerate(self.people):
            for episode in who.of_kind(EpisodeKind.HYPOGLYCAEMIA):
                for ahead_min in (STAGE_AHEAD_MIN, STAGE_LATE_MIN):
                    index = int((episode.at - ahead_min * MINUTE_S - minutes[0]) // MINUTE_S)
                    if 0 <= index < minutes.size:
                        due.setdefault(index, []).append((column, episode))
        return due

    def _stage(self, column: int, episode: Episode, t: float) -> float:
        """Give the bolus at `t` that lets the sensor cross 70 mg/dL as near as possible to the scripted moment, or
        wait.
        """
        early = episode.at - t > (STAGE_LATE_MIN + 1) * MINUTE_S
        given = any(c == column and 0.0 <= episode.at - bolus.t < 7200.0 for c, bolus in self._staged)
        if given or (early and self._sensor[-1, column] < STAGE_LATE_BELOW_MG_DL):
            return 0.0
        sizes = np.round(np.geomspace(0.3, LARGEST_OVERDOSE_U, 48), 1)
        one = np.full(sizes.size, column)
        ahead = (episode.at - t) / MINUTE_S
        minutes = self._grid(t, int(ahead) + 61)
        course = self._course(minutes)
        inputs = [
            Inputs(b, c, u, r)
            for b, c, u, r in zip(
                course.basal_u_per_h[:, column],
                course.carbs_g[:, column],
                course.bolus_u[:, column],
                course.resistance[:, column],
                strict=True,
            )
        ]
        inputs[0] = Inputs(course.basal_u_per_h[0, column], course.carbs_g[0, column], sizes, 1.0)
        low = simulate(self.state[:, one], self.parameters.chosen(one), inputs).sensor_mg_dl < 70.0
        crossed = np.where(low.any(axis=0), np.argmax(low, axis=0), 10_000)
        size = float(sizes[np.argmin(np.abs(crossed - ahead))])
        self._staged.append((column, Happening(t, size)))
        return size


def _binned(happenings: list[Happening], minutes: Floats) -> Floats:
    """Return how much falls into each minute, float64[k]."""
    total = np.zeros(minutes.size)
    for happening in happenings:
        index = int((happening.t - minutes[0]) // MINUTE_S)
        if 0 <= index < minutes.size:
            total[index] += happening.amount
    return total
