"""One metric of one device while it is not quiet: a pure state machine that turns readings into findings.

quiet --out of a limit--> waiting --for delay_s--> raised --past the hysteresis--> quiet
                             |                       | a worse level fires: worsened
                             '--back inside--> quiet  (the priority never falls while the alert lasts)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from twin.alerts.limits import Limit
from twin.alerts.priority import Priority


class Change(StrEnum):
    """What a reading did to an alarm condition."""

    RAISED = "raised"
    WORSENED = "worsened"
    LASTING = "lasting"
    CLEARED = "cleared"


class Finding(NamedTuple):
    """A change of one rule. `t` is device time in s; `limit` is the worst level that fired, or the level that ended."""

    change: Change
    limit: Limit
    t: float
    value: float


@dataclass(frozen=True, slots=True)
class Episode:
    """State between two readings.

    since: for each violated level (its place in the limits) the device time since which it is violated without a break.
    raised: the rules with an alert, and the priority reached.
    """

    since: Mapping[int, float] = field(default_factory=dict)
    raised: Mapping[str, Priority] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """Tell whether nothing is left to remember."""
        return not (self.since or self.raised)


def advance(episode: Episode, limits: Sequence[Limit], t: float, value: float) -> tuple[Episode, list[Finding]]:
    """Return the next state and what changed, for a reading not older than the last one.

    `limits` are all levels for this metric, in the same order every time.
    """
    since = {i: episode.since.get(i, t) for i, limit in enumerate(limits) if limit.violated_by(value)}
    fired: dict[str, Limit] = {}
    for i, start in since.items():
        limit = limits[i]
        worst = fired.get(limit.rule)
        if t - start >= limit.delay_s and (worst is None or limit.priority.outranks(worst.priority)):
            fired[limit.rule] = limit
    findings = [_found(limit, episode.raised.get(rule), t, value) for rule, limit in fired.items()]
    raised = {rule: priority for rule, priority in episode.raised.items() if _held(rule, limits, value)}
    findings += [
        Finding(Change.CLEARED, _level(rule, limits), t, value)
        for rule in episode.raised
        if rule not in raised and rule not in fired
    ]
    for finding in findings:
        if finding.change in {Change.RAISED, Change.WORSENED}:
            raised[finding.limit.rule] = finding.limit.priority
    return Episode(since, raised), findings


def _found(limit: Limit, before: Priority | None, t: float, value: float) -> Finding:
    if before is None:
        return Finding(Change.RAISED, limit, t, value)
    change = Change.WORSENED if limit.priority.outranks(before) else Change.LASTING
    return Finding(change, limit, t, value)


def _held(rule: str, limits: Sequence[Limit], value: float) -> bool:
    """Tell whether the value has not yet come back far enough inside every level of the rule."""
    return any(limit.rule == rule and not limit.cleared_by(value) for limit in limits)


def _level(rule: str, limits: Sequence[Limit]) -> Limit:
    return next(limit for limit in limits if limit.rule == rule)
