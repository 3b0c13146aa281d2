"""Limits as data: bounds per metric with priority, delay, hysteresis and clinical source.

Several limits may share one rule: they are levels of the same condition ("glucose low" is medium below 70, high below
54), and one alert carries the worst level reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from twin.alerts.priority import Priority


class Side(StrEnum):
    """Where the alarming values lie."""

    LOW = "low"  # value < bound
    HIGH = "high"  # value > bound
    EQUAL = "equal"  # an enumeration shows exactly this value


class LimitKey(NamedTuple):
    """What names a limit that people may set."""

    metric: str
    side: Side
    priority: Priority


@dataclass(frozen=True, slots=True)
class Limit:
    """One level of one alarm condition.

    bound and hysteresis are in the metric's unit. The condition must hold for `delay_s` seconds of device time before
    it counts, and is over only when the value has come back past the bound by `hysteresis`.
    """

    rule: str
    metric: str
    side: Side
    bound: float
    priority: Priority
    text: str
    delay_s: float = 0.0
    hysteresis: float = 0.0
    source: str = ""

    @property
    def key(self) -> LimitKey:
        """The name under which people may set this limit."""
        return LimitKey(self.metric, self.side, self.priority)

    def violated_by(self, value: float) -> bool:
        """Tell whether `value` is out of this limit."""
        if self.side is Side.LOW:
            return value < self.bound
        if self.side is Side.HIGH:
            return value > self.bound
        return round(value) == self.bound

    def cleared_by(self, value: float) -> bool:
        """Tell whether `value` is far enough inside to end the condition."""
        if self.side is Side.LOW:
            return value >= self.bound + self.hysteresis
        if self.side is Side.HIGH:
            return value <= self.bound - self.hysteresis
        return round(value) != self.bound


@dataclass(frozen=True, slots=True)
class Setting:
    """A bound and delay that somebody chose in place of a default."""

    key: LimitKey
    bound: float
    delay_s: float


@dataclass(frozen=True, slots=True)
class Changed:
    """What one change did to one limit. None: the house's held, or holds again."""

    key: LimitKey
    before: Setting | None
    after: Setting | None


def with_settings(limits: Iterable[Limit], *layers: Iterable[Setting]) -> tuple[Limit, ...]:
    """Return `limits` with each layer's settings put over them; a later layer (the patient's own) goes before."""
    chosen = {setting.key: setting for layer in layers for setting in layer}
    return tuple(
        replace(limit, bound=chosen[limit.key].bound, delay_s=chosen[limit.key].delay_s)
        if limit.key in chosen
        else limit
        for limit in limits
    )
