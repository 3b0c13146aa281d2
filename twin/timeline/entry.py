"""Entries of a timeline, the kinds they fall into, and the place in it from which a page goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

NEWEST_AT = datetime.max.replace(tzinfo=UTC)
MOST_TEXT = 80
LAST_KEY = "~"  # comes after every key: what happened at that very moment is shown
EVENT_KEY = "e"  # begins the key of what is a named event


class Lane(StrEnum):
    """What an entry is about; each has a right of its own, a shape and a word."""

    ALARM = "alarm"
    MEDICATION = "medication"
    IMAGES = "images"
    CARE = "care"
    DEVICES = "devices"
    SECURITY = "security"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. key: unique, and orders entries of the same moment; evidence: where its proof opens."""

    at: datetime
    key: str
    lane: Lane
    text: str
    priority: str = ""
    who: str = ""
    count: int = 1
    evidence: str = ""

    @property
    def event_id(self) -> int | None:
        """The named event behind the line, which the log holds."""
        return int(self.key[len(EVENT_KEY) :]) if self.key.startswith(EVENT_KEY) else None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The entry after which a page goes on, towards the past."""

    at: datetime = NEWEST_AT
    key: str = ""

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Return the cursor in a URL; what is none means the newest."""
        moment, _, key = text.partition("_")
        try:
            return cls(datetime.fromtimestamp(int(moment) / 1e6, tz=UTC), key)
        except (ValueError, OverflowError, OSError):
            return cls()

    @classmethod
    def at_clock(cls, text: str, zone: str) -> Cursor:
        """Return the cursor at a clock time of a zone, as `2026-11-21T10:30`; what is none means the newest."""
        try:
            return cls(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC), LAST_KEY)
        except (ValueError, OverflowError):
            return cls()

    @classmethod
    def after(cls, entry: Entry) -> Cursor:
        """Return the cursor that goes on after an entry."""
        return cls(entry.at, entry.key)

    def precedes(self, entry: Entry) -> bool:
        """Tell whether the entry is yet to come, on the way to the past."""
        return entry.at < self.at or (entry.at == self.at and entry.key < self.key)

    def __str__(self) -> str:
        since = self.at - datetime.fromtimestamp(0, tz=UTC)
        micros = since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds
        return f"{micros}_{self.key}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader wants to see. Words that were searched for never stand in a URL: they may be somebody's name."""

    lanes: frozenset[Lane] = frozenset(Lane)
    priority: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str], lanes: Iterable[str], text: str = "") -> Asked:
        """Read `lane` (repeated), `priority`, `from` and `to` (s since the Unix epoch). What is unknown is left out."""
        wanted = frozenset(Lane(lane) for lane in lanes if lane in set(Lane))
        priority = query.get("priority", "")
        return cls(
            lanes=wanted or frozenset(Lane),
            priority=priority if priority in {"high", "medium", "low"} else "",
            since=_moment(query.get("from", "")),
            until=_moment(query.get("to", "")),
            text=text.replace("\0", "").strip()[:MOST_TEXT],
        )

    @property
    def narrowed(self) -> bool:
        """Tell whether something is left out on purpose."""
        return self != Asked()


def newest_first(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries in the order of a timeline."""
    return sorted(entries, key=lambda entry: (entry.at, entry.key), reverse=True)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(text), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def folded(entries: Iterable[Entry], same_s: float) -> list[Entry]:
    """Make one line of entries that say the same on one day within `same_s` seconds: the newest, with their count.

    Entries come newest first. Other lines may lie between: two alarms that take turns are still two lines, not forty.
    """
    made: list[Entry] = []
    places: dict[tuple[str, str, date], int] = {}
    for entry in entries:
        said = (entry.text, entry.priority, entry.at.date())
        place = places.get(said)
        if place is not None and (made[place].at - entry.at).total_seconds() <= same_s:
            made[place] = replace(made[place], count=made[place].count + entry.count)
        else:
            places[said] = len(made)
            made.append(entry)
    return made
