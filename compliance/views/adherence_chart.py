"""The two pictures of the adherence page as numbers: dose times by day, and a calendar. Templates draw them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from compliance.adherence.measures import COUNTED, SWALLOWED, DoseState
from compliance.models import ScheduledDose

LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 28  # margins, px
DAY_WIDTH, HEIGHT = 26, 300
HOURS_AROUND = 1.5
WORDS = {
    DoseState.PENDING: "still open",
    DoseState.TAKEN: "taken on time",
    DoseState.LATE: "taken late",
    DoseState.MISSED: "not seen",
    DoseState.SKIPPED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Dot:
    """One dose in the plot: where (px), what became of it, and the sentence behind it."""

    x: float
    y: float
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class Band:
    """The window of one clock time, px from the top."""

    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class DotPlot:
    """Doses by day (across) and local time of day (down)."""

    width: int
    height: int
    left: int
    right: int
    dots: tuple[Dot, ...]
    bands: tuple[Band, ...]
    hours: tuple[Tick, ...]
    days: tuple[Tick, ...]

    @property
    def inner_width(self) -> int:
        """Width between the axes, px."""
        return self.right - self.left


@dataclass(frozen=True, slots=True)
class Cell:
    """One day of the calendar. level: all, some, none, open, empty (nothing planned) or outside (not in the period)."""

    day: date
    level: str
    taken: int
    counted: int
    words: str


def _hour(moment: datetime, zone: ZoneInfo) -> float:
    local = moment.astimezone(zone)
    return local.hour + local.minute / 60


def words_of(dose: ScheduledDose, zone: ZoneInfo) -> str:
    """Return one sentence about a dose, in the patient's time."""
    due = dose.due_at.astimezone(zone)
    said = f"{due:%a} {due.day} {due:%b}, {due:%H:%M}: {dose.regimen.medication}, {WORDS[DoseState(dose.state)]}"
    return f"{said} at {dose.intake.at.astimezone(zone):%H:%M}" if dose.intake is not None else said


def dot_plot(doses: Sequence[ScheduledDose], first: date, last: date, zone: ZoneInfo) -> DotPlot | None:
    """Return the plot of `doses`, or None when there is none."""
    if not doses:
        return None
    hours = [_hour(_shown_at(dose), zone) for dose in doses] + [_hour(dose.due_at, zone) for dose in doses]
    low, high = max(min(hours) - HOURS_AROUND, 0.0), min(max(hours) + HOURS_AROUND, 24.0)
    span = (last - first).days + 1

    def y(hour: float) -> float:
        return round(TOP + (hour - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def x(day: date) -> float:
        return LEFT + ((day - first).days + 0.5) * DAY_WIDTH

    width = LEFT + span * DAY_WIDTH + RIGHT
    dots = tuple(
        Dot(x(dose.local_date), y(_hour(_shown_at(dose), zone)), dose.state, words_of(dose, zone)) for dose in doses
    )
    return DotPlot(
        width=width,
        height=HEIGHT,
        left=LEFT,
        right=width - RIGHT,
        dots=dots,
        bands=tuple(_bands(doses, zone, low, high)),
        hours=tuple(Tick(y(hour), f"{hour:02d}:00") for hour in range(24) if hour % 3 == 0 and low <= hour <= high),
        days=tuple(
            Tick(x(day), f"{day.day} {day:%b}") for day in _span(first, last) if day.weekday() == 0 or day == last
        ),
    )


def _shown_at(dose: ScheduledDose) -> datetime:
    return dose.intake.at if dose.intake is not None else dose.due_at


def _span(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=offset) for offset in range((last - first).days + 1))


def _bands(doses: Sequence[ScheduledDose], zone: ZoneInfo, low: float, high: float) -> Iterable[Band]:
    """Yield each clock time's window, once, cut at the plot's edges; windows of doses ordered once are not drawn."""
    windows = {(_hour(dose.opens_at, zone), _hour(dose.closes_at, zone)) for dose in doses if not dose.single}
    scale = (HEIGHT - TOP - BOTTOM) / (high - low)
    for opens, closes in sorted(windows):
        begin, end = max(opens, low), min(closes if closes > opens else 24.0, high)
        yield Band(round(TOP + (begin - low) * scale, 1), round((end - begin) * scale, 1))


def calendar(doses: Iterable[ScheduledDose], first: date, last: date) -> list[list[Cell]]:
    """Return weeks of seven days, Monday first, that hold `first` to `last`."""
    states: dict[date, list[DoseState]] = {}
    for dose in doses:
        states.setdefault(dose.local_date, []).append(DoseState(dose.state))
    begin = first - timedelta(days=first.weekday())
    end = last + timedelta(days=6 - last.weekday())
    cells = [_cell(day, states.get(day, []), first <= day <= last) for day in _span(begin, end)]
    return [cells[at : at + 7] for at in range(0, len(cells), 7)]


def _cell(day: date, states: Sequence[DoseState], inside: bool) -> Cell:
    counted = [state for state in states if state in COUNTED]
    taken = sum(state in SWALLOWED for state in counted)
    if not inside:
        return Cell(day, "outside", 0, 0, "")
    said = f"{day:%A} {day.day} {day:%B}: "
    if not counted:
        level = "open" if DoseState.PENDING in states else "empty"
        return Cell(day, level, 0, 0, said + ("doses still open" if states else "no dose planned"))
    level = "all" if taken == len(counted) else "some" if taken else "none"
    return Cell(day, level, taken, len(counted), f"{said}{taken} of {len(counted)} taken")
