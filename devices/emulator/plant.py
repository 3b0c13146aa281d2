"""What an emulated device must offer: a plant says what its devices measured since it was last asked.

A gateway finds its plant by a dotted path in its configuration, so that nothing here knows any physiology.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sample:
    """One scalar as its device measured it: t in seconds since the Unix epoch, value in the metric's unit."""

    device_id: int
    metric_code: int
    t: float
    value: float


@dataclass(frozen=True, slots=True)
class Block:
    """Equally spaced waveform samples, int16[n]; the value is sample * scale in the metric's unit."""

    device_id: int
    metric_code: int
    t0: float
    period_s: float
    scale: float
    samples: NDArray[np.int16]


class Plant(Protocol):
    """A world in which devices measure."""

    def advance(self, t: float) -> Iterable[Sample | Block]:
        """Return what was measured since the last call, up to `t` (s since the Unix epoch), in order of time."""
        ...


def load_plant(entry: str, devices: list[dict[str, Any]], options: dict[str, Any]) -> Plant:
    """Build the plant that `entry` ("package.module:function") names. Raises ImportError or AttributeError."""
    module, _, function = entry.partition(":")
    return cast(Plant, getattr(import_module(module), function)(devices, options))
