"""What an emulated device must offer: a plant says what its devices measured since it was last asked.

A gateway finds its plant by a dotted path in its configuration, so that nothing here knows any physiology.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from devices.protocol.samples import Samples


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
    samples: Samples


class Plant(Protocol):
    """A world in which devices measure."""

    def advance(self, t: float) -> Iterable[Sample | Block]:
        """Return what was measured since the last call, up to `t` (s since the Unix epoch), in order of time."""
        ...


class CommandKind(StrEnum):
    """What a gateway may ask of a pump. Nothing here gives more insulin than a person has programmed."""

    SUSPEND = "suspend"  # no basal, no bolus, until RESUME
    RESUME = "resume"  # the programmed basal again
    PROGRAMMED_BASAL = "programmed_basal"  # ends a temporary rate; a suspended pump stays suspended
    TEMPORARY_BASAL = "temporary_basal"  # at most the programmed rate, for a while


@dataclass(frozen=True, slots=True)
class Command:
    """One command. name: the same name again is the same command, which a device carries out once.

    rate_u_per_h and duration_s belong to a temporary basal rate.
    """

    kind: CommandKind
    device_id: int
    name: str
    rate_u_per_h: float = 0.0
    duration_s: float = 0.0


class Outcome(NamedTuple):
    """What a device answered. words: why not, when it did not."""

    done: bool
    words: str = ""


@runtime_checkable
class Actuator(Protocol):
    """Who can make a device act: an emulated world, or a driver that speaks to real devices."""

    def carry_out(self, command: Command, t: float) -> Outcome:
        """Have the device do it at `t` (s since the Unix epoch) and return its answer. Never raises for a refusal."""
        ...


class Nothing:
    """A world without emulated devices: what there is speaks over the air."""

    def advance(self, t: float) -> Iterable[Sample | Block]:
        """Return nothing."""
        return ()


@runtime_checkable
class Marked(Protocol):
    """A plant whose devices keep records: what it returns reaches so far into their streams."""

    def take_marks(self) -> Mapping[tuple[int, str], int]:
        """Return (device id, stream) -> number of the newest record that `advance` returned since the last call."""
        ...


def load_plant(entry: str, devices: list[dict[str, Any]], options: dict[str, Any]) -> Plant:
    """Build the plant that `entry` ("package.module:function") names. Raises ImportError or AttributeError."""
    module, _, function = entry.partition(":")
    return cast(Plant, getattr(import_module(module), function)(devices, options))
