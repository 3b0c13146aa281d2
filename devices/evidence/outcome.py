"""What came of a check, and of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What came of a check."""

    HOLDS = "holds"
    WAITING = "waiting"  # not yet, and in a few seconds
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """One link of the chain: what was asked, what came of it, and why."""

    name: str
    outcome: Outcome
    words: str


def verdict_of(checks: Sequence[Check]) -> Outcome:
    """Return the worst outcome: one broken link and nothing may be relied on."""
    order = [Outcome.BROKEN, Outcome.MISSING, Outcome.WAITING]
    found = {check.outcome for check in checks}
    return next((outcome for outcome in order if outcome in found), Outcome.HOLDS)
