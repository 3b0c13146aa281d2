"""What a check says: one line for whoever runs the house, with what to do. Never a secret, a name or a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum


class Standing(IntEnum):
    """How bad it is; the number is the exit status that monitoring understands (Nagios: OK, WARNING, CRITICAL)."""

    WELL = 0
    LOOK = 1  # somebody should look today
    BROKEN = 2  # something that care or evidence depends on does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. subject: what was looked at; said: what was found; advice: what to do, empty when all is well."""

    subject: str
    standing: Standing
    said: str
    advice: str = ""


Check = Callable[[], Iterable[Finding]]


def well(subject: str, said: str) -> Finding:
    """Say that it is in order."""
    return Finding(subject, Standing.WELL, said)


def look(subject: str, said: str, advice: str) -> Finding:
    """Say that somebody should look."""
    return Finding(subject, Standing.LOOK, said, advice)


def broken(subject: str, said: str, advice: str) -> Finding:
    """Say that it does not work."""
    return Finding(subject, Standing.BROKEN, said, advice)


def by_age(subject: str, age_s: float, look_s: float, broken_s: float, said: str, advice: str) -> Finding:
    """Judge something by how long it has waited, s; `said` names what waits."""
    if age_s < look_s:
        return well(subject, said)
    judge = broken if age_s >= broken_s else look
    return judge(subject, f"{said}, for {age_s:.0f} s", advice)


def asked(subject: str, check: Check, failures: tuple[type[Exception], ...], advice: str) -> list[Finding]:
    """Return what `check` finds; what it needs and does not get is a finding too."""
    try:
        return list(check())
    except failures as error:
        return [broken(subject, f"does not answer ({type(error).__name__})", advice)]
