"""Watches whole commit groups: vectorised where nothing happens, reading by reading where something does.

`judge` concludes and changes nothing; `settle` makes the conclusions count once they are stored. A group whose storing
failed comes again and is judged as if for the first time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from twin.alerts.episode import Change, Episode, Finding, advance
from twin.alerts.priority import Priority
from twin.alerts.rulebook import Rulebook

P = TypeVar("P")

# The usual age may rise by half a second per second of live link. A device whose clock was set back alarms again after
# minutes, and a backlog that drains faster than that stays history.
AGE_LEAK = 0.5
AGE_LEAK_GAP_S = 10.0
# What a clock is granted before its device was ever heard live: hours of history that it brings along do not alarm.
FIRST_AGE_S = 600.0


class Known(NamedTuple):
    """The newest reading of a device's metric, as the telemetry store knows it. Times in s since the Unix epoch."""

    device: int
    metric: int
    t: float
    received: float


class Found(NamedTuple):
    """A finding and where it was made."""

    device: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one commit group means.

    current: in order of device time; of lasting conditions only the newest is kept. late: conditions that would have
    raised an alert, had their readings come in time. rows, slots: where each reading belongs; int[n]. t: float64[n], s.
    """

    rows: NDArray[np.intp]
    slots: NDArray[np.intp]
    t: NDArray[np.float64]
    received_at: float
    current: list[Found] = field(default_factory=list)
    late: list[Found] = field(default_factory=list)
    episodes: dict[int, Episode] = field(default_factory=dict)
    late_episodes: dict[int, Episode] = field(default_factory=dict)


class Watch(Generic[P]):
    """Remembers, for each watched device and metric, the newest time seen and the episode under way."""

    def __init__(self, rulebook: Rulebook[P]) -> None:
        self.rulebook = rulebook
        self._newest = np.full(rulebook.size, -np.inf)
        self._busy = np.zeros(rulebook.size, dtype=bool)  # an episode is under way: look at every reading
        self._usual_age = np.full(len(rulebook.devices) + 1, FIRST_AGE_S)
        self._heard_at = np.full(len(rulebook.devices) + 1, -np.inf)
        self._episodes: dict[int, Episode] = {}
        self._late_episodes: dict[int, Episode] = {}

    def judge(self, readings: NDArray[np.void], received_at: float) -> Judgement:
        """Judge a commit group. readings: READING[n] in any order; received_at: server time in s."""
        rows, slots = self._slots(readings)
        value = readings["value"]
        book = self.rulebook
        look = (value < book.low[slots]) | (value > book.high[slots]) | self._busy[slots]
        verdict = Judgement(rows, slots, readings["t"], received_at)
        if not look.any():
            return verdict
        hot = np.zeros(book.size, dtype=bool)
        hot[slots[look]] = True
        picked = np.flatnonzero(hot[slots])
        late = self._late(readings["t"], rows, slots, received_at)
        self._follow(verdict, readings[picked], slots[picked], late[picked])
        return verdict

    def settle(self, judgement: Judgement) -> None:
        """Make a judgement count."""
        np.maximum.at(self._newest, judgement.slots, judgement.t)
        self._usual_age = self._aged(judgement.t, judgement.rows, judgement.received_at)
        self._heard_at[judgement.rows] = judgement.received_at
        for kept, changed in (
            (self._episodes, judgement.episodes),
            (self._late_episodes, judgement.late_episodes),
        ):
            kept.update(changed)
            for slot in [slot for slot, episode in changed.items() if episode.quiet]:
                del kept[slot]
        for slot in [*judgement.episodes, *judgement.late_episodes]:
            self._busy[slot] = slot in self._episodes or slot in self._late_episodes

    def learn(self, known: Iterable[Known]) -> None:
        """Take over what the store knows, so that a restart forgets neither the newest time nor a clock's offset."""
        for device, metric, t, received in known:
            row, slot = self._slot(device, metric)
            self._newest[slot] = max(self._newest[slot], t)
            self._usual_age[row] = min(self._usual_age[row], received - t)

    def resume(self, device: int, metric: int, rule: str, priority: Priority) -> None:
        """Take over an alert that is stored as unresolved."""
        _, slot = self._slot(device, metric)
        if not self.rulebook.watches(slot) or rule not in {limit.rule for limit in self.rulebook.limits_at(slot)}:
            return
        before = self._episodes.get(slot, Episode())
        self._episodes[slot] = Episode(before.since, {**before.raised, rule: priority})
        self._busy[slot] = True

    def put_down(self, devices: Sequence[int]) -> None:
        """Forget which alerts these devices have, before `resume` tells: another watch may have ended some.

        Delays go on from what this watch has seen.
        """
        rows = set(self.rulebook.rows(np.array(devices, dtype=np.uint32)).tolist())
        for slot in [slot for slot in self._episodes if slot // self.rulebook.width in rows]:
            waiting = Episode(self._episodes.pop(slot).since)
            if not waiting.quiet:
                self._episodes[slot] = waiting
            self._busy[slot] = slot in self._episodes or slot in self._late_episodes

    def under(self, rulebook: Rulebook[P]) -> Watch[P]:
        """Return a watch by other rules that remembers what this one knows of the devices both watch."""
        watch = Watch(rulebook)
        old = self.rulebook
        rows, columns = rulebook.rows(old.devices), rulebook.columns(old.metrics)
        moved = np.append(rows, len(rulebook.devices))[:, None] * rulebook.width + np.append(
            columns, rulebook.width - 1
        )
        slots = moved.ravel()
        watch._newest[slots] = self._newest
        watch._usual_age[rows], watch._heard_at[rows] = self._usual_age[:-1], self._heard_at[:-1]
        for mine, theirs in ((self._episodes, watch._episodes), (self._late_episodes, watch._late_episodes)):
            for slot, episode in mine.items():
                place = int(slots[slot])
                device = old.device_at(slot)
                if rulebook.watches(place) and rulebook.patients[device] == old.patients[device]:
                    theirs[place] = episode
                    watch._busy[place] = True
        return watch

    def _slot(self, device: int, metric: int) -> tuple[int, int]:
        row = int(self.rulebook.rows(np.array([device], dtype=np.uint32))[0])
        column = int(self.rulebook.columns(np.array([metric], dtype=np.uint32))[0])
        return row, row * self.rulebook.width + column

    def _slots(self, readings: NDArray[np.void]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        rows = self.rulebook.rows(readings["device"])
        return rows, rows * self.rulebook.width + self.rulebook.columns(readings["metric"])

    def _aged(self, t: NDArray[np.float64], rows: NDArray[np.intp], received_at: float) -> NDArray[np.float64]:
        """Return the usual age of each device's readings, this group included; s, float64[D + 1]."""
        newest = np.full(len(self._usual_age), -np.inf)
        np.maximum.at(newest, rows, t)
        gap = np.clip(received_at - self._heard_at, 0.0, AGE_LEAK_GAP_S)
        heard = newest > -np.inf
        leaked = np.where(heard, self._usual_age + AGE_LEAK * gap, self._usual_age)
        return np.minimum(leaked, received_at - newest)

    def _late(
        self, t: NDArray[np.float64], rows: NDArray[np.intp], slots: NDArray[np.intp], received_at: float
    ) -> NDArray[np.bool_]:
        """Tell which readings are history: a newer one is known, or they come out of a gateway's backlog.

        Age is measured against the device's usual one, so that a clock that is wrong does not silence its device.
        """
        usual = self._aged(t, rows, received_at)
        behind = received_at - t - usual[rows]
        return np.asarray((t < self._newest[slots]) | (behind > self.rulebook.news_s[slots % self.rulebook.width]))

    def _follow(
        self, verdict: Judgement, readings: NDArray[np.void], slots: NDArray[np.intp], late: NDArray[np.bool_]
    ) -> None:
        """Walk through the picked readings in order of device time and fill in the verdict."""
        lasting: dict[tuple[int, str], Found] = {}
        order = np.lexsort((readings["seq"], readings["t"]))
        rows = zip(slots[order].tolist(), readings["t"][order].tolist(), readings["value"][order].tolist(), strict=True)
        for (slot, t, value), is_late in zip(rows, late[order].tolist(), strict=True):
            kept = self._late_episodes if is_late else self._episodes
            changed = verdict.late_episodes if is_late else verdict.episodes
            episode = changed.get(slot) or kept.get(slot) or Episode()
            changed[slot], findings = advance(episode, self.rulebook.limits_at(slot), t, value)
            if not is_late and slot in self._late_episodes:
                verdict.late_episodes[slot] = Episode()  # the backlog has reached the present
            for finding in findings:
                found = Found(self.rulebook.device_at(slot), finding)
                if is_late:
                    verdict.late.extend([found] if finding.change is Change.RAISED else [])
                elif finding.change is Change.LASTING:
                    lasting[slot, finding.limit.rule] = found
                else:
                    lasting.pop((slot, finding.limit.rule), None)
                    verdict.current.append(found)
        verdict.current.extend(lasting.values())
