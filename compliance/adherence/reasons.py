"""The factors behind a risk, in plain words and without blame. A sentence says what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from compliance.adherence.features import EVENING_MIN, MIDDAY_MIN, Known, known
from compliance.adherence.histories import History
from compliance.adherence.risk import Prediction

SHOWN = 3
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NO_SHIFT_MIN = 5


class Reason(TypedDict):
    """One factor as stored and shown: `log_odds` above 0 raises the risk."""

    factor: str
    sentence: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class Next:
    """The dose that is judged, as far as sentences need it."""

    weekday: int
    minute: int


def _count(n: int, one: str, many: str) -> str:
    return f"1 {one}" if n == 1 else f"{n} {many}"


def _gap(seen: Known) -> str:
    if seen.gap_days != seen.gap_days:
        return "No dose seen so far"
    if seen.gap_days < 1.5:
        return "The dose before was not seen" if seen.last_missed else "The dose before was taken"
    return f"The last intake is {seen.gap_days:.0f} days ago"


def _timing(seen: Known) -> str:
    minutes = round(abs(seen.shift_h) * 60)
    if minutes < NO_SHIFT_MIN:
        return "The last doses were taken at the usual time"
    return f"The last doses were taken {minutes} min {'later' if seen.shift_h > 0 else 'earlier'} than usual"


def _hour(following: Next) -> str:
    if following.minute >= EVENING_MIN:
        return "It is an evening dose"
    return "It is a midday dose" if following.minute >= MIDDAY_MIN else "It is a morning dose"


def sentence(factor: str, seen: Known, following: Next) -> str:
    """Return what was seen about a factor. Raises KeyError for a factor that nobody named."""
    doses = _count(seen.doses, "dose", "doses")
    week = _count(seen.week_doses, "dose", "doses")
    return {
        "usual": f"{seen.missed} of {doses} so far not seen",
        "recent": f"{seen.week_missed} of {week} not seen in the last 7 days",
        "gap": _gap(seen),
        "hour": _hour(following),
        "weekday": f"It falls on a {DAYS[following.weekday]}",
        "timing": _timing(seen),
    }[factor]


def reasons(prediction: Prediction, history: History, shown: int = SHOWN) -> list[Reason]:
    """Return the `shown` factors that moved the prediction most, strongest first."""
    seen = known(history)
    following = Next(int(history.weekday[-1]), int(history.minute[-1]))
    return [
        Reason(factor=factor, sentence=sentence(factor, seen, following), log_odds=round(log_odds, 4))
        for factor, log_odds in prediction.contributions[:shown]
    ]
