"""The three sides of one quantity in a twin: what the device reported, what somebody asked for, what is expected."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Reported:
    """A device measured it. Ordered by device time, then sequence: the greater one is the newer one."""

    t: float  # s since the Unix epoch
    seq: int
    value: float
    received: float  # server time, s since the Unix epoch


@dataclass(frozen=True, slots=True, order=True)
class Desired:
    """Somebody asked the device for it. Ordered by the time of the order, then by its number."""

    t: float  # s since the Unix epoch
    order: int
    value: float


@dataclass(frozen=True, slots=True, order=True)
class Predicted:
    """A model expects it. Ordered by when it was computed, so that a newer forecast replaces an older one.

    low, high: the band that the model gives.
    """

    computed_t: float  # s since the Unix epoch
    for_t: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Aspects:
    """One metric of a twin. `join` takes the newer of each side, so it is commutative, associative and idempotent."""

    reported: Reported | None = None
    desired: Desired | None = None
    predicted: Predicted | None = None

    def join(self, other: Aspects) -> Aspects:
        """Return the least aspects above both."""
        return Aspects(
            max((side for side in (self.reported, other.reported) if side), default=None),
            max((side for side in (self.desired, other.desired) if side), default=None),
            max((side for side in (self.predicted, other.predicted) if side), default=None),
        )

    def reconciled(self, tolerance: float) -> bool:
        """Tell whether the device reports what was asked for, within `tolerance`, and did so after it was asked."""
        if self.desired is None:
            return True
        if self.reported is None or self.reported.t < self.desired.t:
            return False
        return abs(self.reported.value - self.desired.value) <= tolerance

    def surprise(self) -> float:
        """Return by how much the report lies outside the predicted band, in the metric's unit; 0 inside or unknown."""
        if self.reported is None or self.predicted is None:
            return 0.0
        value = self.reported.value
        return max(self.predicted.low - value, value - self.predicted.high, 0.0)
