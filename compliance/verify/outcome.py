"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a check found. TOLD: worth knowing, and neither proved nor disproved."""

    HOLDS = "holds"
    BROKEN = "broken"
    TOLD = "told"


@dataclass(frozen=True, slots=True)
class Line:
    """One check: a code for programs, words for people."""

    outcome: Outcome
    code: str
    words: str


def held(code: str, words: str) -> Line:
    """Return a line for what holds."""
    return Line(Outcome.HOLDS, code, words)


def broken(code: str, words: str) -> Line:
    """Return a line for what does not hold."""
    return Line(Outcome.BROKEN, code, words)


def told(code: str, words: str) -> Line:
    """Return a line for what a reader should know."""
    return Line(Outcome.TOLD, code, words)


def holds(lines: list[Line]) -> bool:
    """Tell whether nothing is wrong."""
    return all(line.outcome is not Outcome.BROKEN for line in lines)
