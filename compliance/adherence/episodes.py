"""Cut a pillbox's readings into episodes. The order of arrival does not matter: same readings, same episodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from itertools import takewhile
from typing import NamedTuple

from compliance.adherence.fusion import Episode

SETTLE_S = 10.0  # the tray swings after the lid falls shut; the last weighing within this time is the one that counts
WAIT_S = (
    400.0  # a scale that reports every five minutes has spoken by then; afterwards the episode ends without a weight
)
LONGEST_S = 30 * 60.0  # a lid open for longer was left open: that tells nothing about an intake
WEIGHT_VALID_S = 24 * 3600.0  # a weighing older than this says nothing about the tray now


class Sensor(Enum):
    """Which of the three sensors speaks."""

    LID = auto()
    HAND = auto()
    WEIGHT = auto()


class Sample(NamedTuple):
    """One reading of a pillbox sensor: `seq` names it for ever; t is device time, s since the Unix epoch."""

    seq: int
    t: float
    sensor: Sensor
    value: float


def episodes(samples: Iterable[Sample]) -> list[Episode]:
    """Return every finished episode in `samples`. Repeated `seq` count once.

    An episode is finished when the lid closed and then a weighing came, the lid opened again, or `WAIT_S` of later
    readings brought no weighing.
    """
    once = {sample.seq: sample for sample in samples}.values()
    ordered = sorted(once, key=lambda sample: (sample.t, sample.seq))
    found: list[Episode] = []
    opened: int | None = None
    was_open = False
    for at, sample in enumerate(ordered):
        if sample.sensor is not Sensor.LID:
            continue
        is_open = sample.value >= 0.5
        if is_open and not was_open:
            opened = at
        elif was_open and not is_open and opened is not None:
            episode = _episode(ordered, opened, at)
            if episode is not None:
                found.append(episode)
        was_open = is_open
    return found


def _episode(ordered: Sequence[Sample], opened: int, closed: int) -> Episode | None:
    first, last = ordered[opened], ordered[closed]
    later = ordered[closed + 1 :]
    quiet = list(takewhile(lambda sample: not _opens(sample), later))
    weight_after = _weight_after(quiet, last.t)
    heard_on = len(quiet) < len(later) or any(sample.t > last.t + WAIT_S for sample in quiet)
    if last.t - first.t > LONGEST_S or (weight_after is None and not heard_on):
        return None
    hands = [sample.value for sample in ordered[opened : closed + 1] if sample.sensor is Sensor.HAND]
    return Episode(
        opened_seq=first.seq,
        closed_seq=last.seq,
        opened_at=first.t,
        closed_at=last.t,
        hand=any(value >= 0.5 for value in hands) if hands else None,
        weight_before_g=_weight_before(ordered[:opened], first.t),
        weight_after_g=weight_after,
    )


def _opens(sample: Sample) -> bool:
    return sample.sensor is Sensor.LID and sample.value >= 0.5


def _weight_before(earlier: Sequence[Sample], t: float) -> float | None:
    """Return the newest weighing before the lid opened."""
    weighings = (sample for sample in reversed(earlier) if sample.sensor is Sensor.WEIGHT)
    newest = next(weighings, None)
    return newest.value if newest is not None and t - newest.t <= WEIGHT_VALID_S else None


def _weight_after(quiet: Sequence[Sample], t: float) -> float | None:
    """Return the last weighing while the tray settles, or else the first one after that."""
    weighings = [sample for sample in quiet if sample.sensor is Sensor.WEIGHT]
    settling = [sample.value for sample in weighings if sample.t <= t + SETTLE_S]
    if settling:
        return settling[-1]
    return weighings[0].value if weighings and weighings[0].t <= t + WAIT_S else None
