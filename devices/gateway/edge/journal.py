"""What the rules did, kept on disk: a gateway that starts again neither forgets an alarm nor acts on it twice."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

KEPT = 200  # settled alarms


class Alarm(msgspec.Struct):
    """One time that a rule held for a device. Times in s since the Unix epoch; None: not yet.

    seen: what was seen. done: what was done about it. told: whether the fact is on its way to the server.
    """

    number: int
    rule: str
    device_id: int
    at: float
    seen: str
    done: str
    pressing: bool  # somebody has to look now
    cut_off: bool  # the server could not be reached when it began
    over_at: float | None = None
    acknowledged_at: float | None = None
    switched_off: bool = False  # it ended because its rule was, and not because what it was about did

    @property
    def settled(self) -> bool:
        """Tell whether it is over and somebody has seen it."""
        return self.over_at is not None and self.acknowledged_at is not None


class Stop(msgspec.Struct):
    """A pump that the gateway stopped, or wants to stop. command: its number; the pump knows it by that."""

    pump: int
    at: float
    alarm: int
    command: str
    confirmed: bool = False
    attempts: int = 0
    tried_at: float = 0.0


class Book(msgspec.Struct):
    """All that is kept."""

    next_number: int = 1
    alarms: list[Alarm] = []
    stops: list[Stop] = []


class Journal:
    """The book in one file, written whole before anything is done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.book = msgspec.json.decode(path.read_bytes(), type=Book)
        except FileNotFoundError:
            self.book = Book()
        except (OSError, msgspec.DecodeError):
            # A torn file must not keep the gateway from watching: it is put aside, and the rules look anew.
            path.replace(path.with_suffix(".broken"))
            self.book = Book()

    def save(self) -> None:
        """Write everything, durably. Raises OSError."""
        settled = [alarm.number for alarm in self.book.alarms if alarm.settled]
        forget = set(settled[:-KEPT])
        self.book.alarms = [alarm for alarm in self.book.alarms if alarm.number not in forget]
        draft = self._path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(self.book))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def open_alarm(self, rule: str, device_id: int) -> Alarm | None:
        """Return the alarm of that rule for that device that is not over."""
        found = (a for a in self.book.alarms if a.over_at is None and (a.rule, a.device_id) == (rule, device_id))
        return next(found, None)

    def stop_of(self, pump: int) -> Stop | None:
        """Return the stop that holds for that pump."""
        return next((stop for stop in self.book.stops if stop.pump == pump), None)
