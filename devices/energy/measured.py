"""What security costs in time and keeps under attack, as `python -m benchmarks.security` measured it in the lab.

The file beside this module is that program's output, kept with `--keep`. What is written here reads it, and says which
differences are more than the noise: the whole range over the repeats is compared, not the middles.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

FILE = Path(__file__).with_name("measured.json")
NONE, REPLAY, CROWD, TRICKLE = "none", "replay", "crowd", "trickle"
ATTACKS = {
    NONE: "No attack",
    REPLAY: "Recorded frames replayed and changed",
    CROWD: "A crowd connects and says nothing",
    TRICKLE: "A crowd sends a byte a second",
}


class Spread(msgspec.Struct, frozen=True):
    """A figure over the repeats: its middle and its whole range."""

    median: float
    low: float
    high: float

    def apart(self, other: Spread) -> bool:
        """Tell whether the two ranges do not touch: then the difference is more than the noise."""
        return self.high < other.low or other.high < self.low


class Cell(msgspec.Struct, frozen=True):
    """One attack against one of the two. secured: against the house as it is; else with nothing sealed or asked.

    latency_ms: of an ordinary reading, from being made to its acknowledgement, which follows the commit; of each repeat
    the median, None where most never arrived. alert_ms: from a dangerous reading to its alert, None where most raised
    none. alerted: the share of dangerous readings that raised one. arrived: share of readings acknowledged within two
    seconds. true: share of time in which the ward's newest value is at most two seconds old and was measured; false: in
    which it was never measured. named_s: from the attack's begin to an event with its name, None where there is none.
    """

    attack: str
    secured: bool
    latency_ms: Spread | None
    alert_ms: Spread | None
    alerted: Spread
    arrived: Spread
    true: Spread
    false: Spread
    named_s: Spread | None


class Measured(msgspec.Struct, frozen=True):
    """A whole run. machine: in words, without a date.

    seconds: of each measurement. strangers: connections of a crowd. files: how many a server may open.
    """

    command: str
    machine: str
    seed: int
    repeats: int
    seconds: float
    gateways: int
    strangers: int
    files: int
    cells: tuple[Cell, ...]

    def of(self, attack: str, *, secured: bool) -> Cell:
        """Return one cell. Raises KeyError."""
        for cell in self.cells:
            if cell.attack == attack and cell.secured is secured:
                return cell
        raise KeyError(attack, secured)

    @property
    def attacks(self) -> list[str]:
        """What was measured, in order, without an attack first."""
        return [attack for attack in ATTACKS if any(cell.attack == attack for cell in self.cells)]


@cache
def measured() -> Measured:
    """Return the run that is kept in this version."""
    return msgspec.json.decode(FILE.read_bytes(), type=Measured)


def in_words(run: Measured) -> list[str]:
    """Return what it means, a sentence each: the price first, then what it buys."""
    return [_price(run), *(_bought(run, attack) for attack in run.attacks if attack != NONE)]


def _price(run: Measured) -> str:
    with_it, without = run.of(NONE, secured=True), run.of(NONE, secured=False)
    said = []
    for what, one, other in (
        ("a reading is durable", with_it.latency_ms, without.latency_ms),
        ("a dangerous one has raised its alert", with_it.alert_ms, without.alert_ms),
    ):
        if one is None or other is None:
            continue
        times = f"{what} after {figures(one.median)} ms instead of {figures(other.median)}"
        said.append(times if one.apart(other) else f"{times} (within the noise)")
    return f"Without an attack {', and '.join(said)}."


def _bought(run: Measured, attack: str) -> str:
    with_it, without = run.of(attack, secured=True), run.of(attack, secured=False)
    what = f"{ATTACKS[attack]}: the ward's picture is fresh and true {percent(with_it.true)} of the time"
    compared = f"{what} with security and {percent(without.true)} without"
    if not with_it.true.apart(without.true):
        return f"{compared}, which is within the noise."
    return f"{compared}."


def figures(value: float) -> str:
    """Return a number with two digits: more the repeats do not carry."""
    return f"{float(f'{value:.2g}'):g}"


def percent(spread: Spread) -> str:
    """Return the middle of a share in percent."""
    return f"{100.0 * spread.median:.0f} %"
