"""Fork the present of a patient and answer with two futures: as it would come, and with one change."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TypedDict

from compliance.models import EventCategory, Patient, User
from compliance.services.events import record_event
from twin.selectors.observed import observe
from twin.whatif.futures import MEMBERS, SimulatedFuture, differences, run
from twin.whatif.scenario import AS_NOW, Scenario

SHOWN_PAST_S = 2 * 3600.0


class SimulatedFutureMessage(TypedDict):
    """One simulated future as the page draws it. Bands are 5th, 25th, 50th, 75th and 95th percentile in mg/dL."""

    scenario: dict[str, float]
    words: str
    minutes: list[float]
    bands: list[list[float]]
    minutes_below_54: int
    minutes_below_70: int
    minutes_above_180: int
    chance_below_70: float
    lowest: int
    highest: int


class SimulatedComparison(TypedDict):
    """The answer. `simulated` is always true; `past` is what was really measured: pairs of minutes and mg/dL."""

    simulated: bool
    at: float
    took_ms: float
    members: int
    insulin_on_board_u: float
    past: list[tuple[float, float]]
    now: SimulatedFutureMessage
    changed: SimulatedFutureMessage
    differences: list[str]


def compare(*, patient: Patient, change: Scenario, user: User, members: int = MEMBERS) -> SimulatedComparison:
    """Simulate `patient` as now and with `change` from the same ensemble of bodies.

    Raises GlucoseMissing when there is no present to start from. Only the fact that somebody asked is stored.
    """
    began = time.perf_counter()
    observed = observe(patient, time.time())
    # Seeded by the present: moving a slider back gives the same picture again.
    now, changed = run(observed, [AS_NOW, change], members, seed=int(observed.at))
    recent = observed.glucose_t >= observed.at - SHOWN_PAST_S
    past = zip((observed.glucose_t[recent] - observed.at) / 60.0, observed.glucose_mg_dl[recent], strict=True)
    record_event(
        category=EventCategory.OPERATION,
        code="what_if_asked",
        message="A what-if run started from this patient's present.",
        patient=patient,
        user=user,
        fold=True,
    )
    return SimulatedComparison(
        simulated=True,
        at=observed.at,
        took_ms=round((time.perf_counter() - began) * 1000.0, 1),
        members=members,
        insulin_on_board_u=round(now.insulin_on_board_u, 2),
        past=[(round(float(minutes), 2), round(float(value), 1)) for minutes, value in past],
        now=_message(now),
        changed=_message(changed),
        differences=differences(now, changed),
    )


def _message(future: SimulatedFuture) -> SimulatedFutureMessage:
    return SimulatedFutureMessage(
        scenario=asdict(future.scenario),
        words=future.scenario.words,
        minutes=future.band.minutes.tolist(),
        bands=future.band.mg_dl.round(1).tolist(),
        minutes_below_54=round(future.minutes_below_54),
        minutes_below_70=round(future.minutes_below_70),
        minutes_above_180=round(future.minutes_above_180),
        chance_below_70=round(future.chance_below_70, 3),
        lowest=round(future.lowest_mg_dl),
        highest=round(future.highest_mg_dl),
    )
