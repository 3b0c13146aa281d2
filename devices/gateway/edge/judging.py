"""Does a rule hold? Pure functions of what is remembered; each answers with what was seen, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from devices.gateway.edge.memory import FRESH_S, Memory, Point
from devices.gateway.edge.rules import LowBattery, LowReservoir, OverInfusion, Rule, SensorSilent, SevereLow
from devices.gateway.robust import median_slope
from devices.kinds.registry import by_key

TREND_S = 1200.0  # a prediction looks back over twenty minutes,
TREND_LEAST_S = 300.0  # needs five of them
TREND_LEAST = 4  # and four readings
SETTLE_S = 600.0
REARM = 1.2  # an alarm about something low is over when it is a fifth above the limit


def looks_back_s(rules: Iterable[Rule]) -> float:
    """Return how far back the longest of these rules looks, in s."""
    back_s = [TREND_S]
    for rule in rules:
        if isinstance(rule, OverInfusion):
            back_s.append(rule.window_min * 60.0 + 2 * SETTLE_S + FRESH_S)
        elif isinstance(rule, SensorSilent):
            back_s.append(rule.after_min * 60.0)
    return max(back_s)


class Seen(NamedTuple):
    """What made a rule hold: a sentence, and the numbers in it."""

    words: str
    values: dict[str, float]


def severe_low(memory: Memory, cgm: int, rule: SevereLow, now: float) -> Seen | None:
    """Tell whether glucose is severely low, or is going to be: two ways to the same answer."""
    points = memory.of(cgm, "glucose", now - FRESH_S)
    last = points[-rule.in_a_row :]
    if len(last) == rule.in_a_row and all(point.value < rule.below_mg_dl for point in last):
        shown = " and ".join(f"{point.value:.0f}" for point in last)
        words = f"glucose {shown} mg/dL, {rule.in_a_row} readings in a row below {rule.below_mg_dl:g}"
        return Seen(words, {"glucose_mg_dl": last[-1].value, "limit_mg_dl": rule.below_mg_dl})
    return _falling(memory, cgm, rule, now)


def _falling(memory: Memory, cgm: int, rule: SevereLow, now: float) -> Seen | None:
    points = memory.of(cgm, "glucose", now - TREND_S)
    if not rule.ahead_min or len(points) < TREND_LEAST or points[-1].t - points[0].t < TREND_LEAST_S:
        return None
    newest = points[-1]
    if newest.t <= now - FRESH_S or newest.value >= rule.predict_under_mg_dl:
        return None
    slope = slope_per_min(points)
    predicted = newest.value + slope * rule.ahead_min
    if slope >= 0 or predicted >= rule.below_mg_dl:
        return None
    words = (
        f"glucose {newest.value:.0f} mg/dL and falling by {-slope:.1f} a minute: "
        f"{max(predicted, 0):.0f} expected in {rule.ahead_min:g} minutes, below {rule.below_mg_dl:g}"
    )
    return Seen(
        words,
        {
            "glucose_mg_dl": newest.value,
            "slope_mg_dl_min": round(slope, 3),
            "predicted_mg_dl": round(predicted, 1),
            "limit_mg_dl": rule.below_mg_dl,
        },
    )


def slope_per_min(points: Sequence[Point]) -> float:
    """Return the median slope between all pairs at least a minute apart (Theil-Sen), per minute.

    One wrong reading must not stop a pump: up to 29 % of the readings may be wrong.
    """
    by_minute = [(point.t / 60.0, point.value) for point in points]
    return median_slope(by_minute, apart=min(1.0, by_minute[-1][0] - by_minute[0][0]))


def recovered(memory: Memory, cgm: int, rule: SevereLow, since: float, now: float) -> Seen | None:
    """Tell whether glucose has come back since the pump was stopped."""
    last = memory.of(cgm, "glucose", max(since, now - FRESH_S))[-rule.resume_in_a_row :]
    if len(last) < rule.resume_in_a_row or any(point.value < rule.resume_at_mg_dl for point in last):
        return None
    words = f"glucose {last[-1].value:.0f} mg/dL, {len(last)} readings in a row at {rule.resume_at_mg_dl:g} or more"
    return Seen(words, {"glucose_mg_dl": last[-1].value})


def sensor_silent(memory: Memory, cgm: int, rule: SensorSilent, started: float, now: float) -> Seen | None:
    """Tell whether no glucose has come for too long; `started` is when the gateway began to listen."""
    newest = memory.newest(cgm, "glucose")
    silent_s = now - max(started, newest.t if newest else started)
    if silent_s <= rule.after_min * 60.0:
        return None
    return Seen(f"no glucose for {silent_s / 60.0:.0f} minutes", {"silent_min": round(silent_s / 60.0, 1)})


def pump_trouble(memory: Memory, pump: int, now: float) -> Seen | None:
    """Tell whether the pump itself gives an alarm."""
    alarm = memory.fresh(pump, "pump_alarm", now)
    if alarm is None or not alarm.value:
        return None
    name = by_key("pump_alarm").values[int(alarm.value)]
    return Seen(f"the pump says: {name}", {"pump_alarm": alarm.value})


def over_infusion(memory: Memory, pump: int, kind: str, rule: OverInfusion, now: float) -> Seen | None:
    """Tell whether more was delivered in the window than rate and boluses account for.

    The window ends `SETTLE_S` ago: a bolus is told when it is complete, minutes after the counter began to rise.
    """
    insulin = kind == "insulin_pump"
    counter, rate = ("insulin_delivered", "insulin_rate") if insulin else ("infused_volume", "infusion_rate")
    slack, unit = (rule.slack_u, "U") if insulin else (rule.slack_ml, "mL")
    begin = now - SETTLE_S - rule.window_min * 60.0
    counted = [point for point in memory.of(pump, counter, begin) if point.t <= now - SETTLE_S]
    rates = memory.of(pump, rate, begin - FRESH_S)
    if len(counted) < 2 or not rates:
        return None
    # A counter that was reset in between (a new cartridge) counts what came after.
    steps = [after.value - before.value for before, after in pairwise(counted)]
    delivered = sum(step for step in steps if step > 0)
    hours = (counted[-1].t - counted[0].t) / 3600.0
    boluses = memory.of(pump, "insulin_bolus", begin - SETTLE_S) if insulin else []
    due = max(point.value for point in rates) * hours + sum(point.value for point in boluses)
    if delivered <= due * (1.0 + rule.tolerance) + slack:
        return None
    words = f"{delivered:.1f} {unit} delivered in {hours * 60:.0f} minutes where {due:.1f} {unit} were due"
    return Seen(words, {"delivered": round(delivered, 2), "due": round(due, 2)})


def low_reservoir(memory: Memory, pump: int, rule: LowReservoir, now: float, already: bool) -> Seen | None:
    """Tell whether the reservoir is low; once it is, it stays so until it is clearly above."""
    left = memory.fresh(pump, "insulin_reservoir", now)
    if left is None or left.value >= rule.below_u * (REARM if already else 1.0):
        return None
    return Seen(f"{left.value:.0f} U are left in the reservoir", {"reservoir_u": left.value})


def low_battery(memory: Memory, device: int, rule: LowBattery, now: float, already: bool) -> Seen | None:
    """Tell whether the battery is low; once it is, it stays so until it is clearly above."""
    charge = memory.fresh(device, "battery", now)
    if charge is None or charge.value >= rule.below_percent * (REARM if already else 1.0):
        return None
    return Seen(f"battery at {charge.value:.0f} %", {"battery_percent": charge.value})
