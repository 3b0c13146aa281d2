"""Search values as FHIR writes them: tokens, dates with their precision, quantities, references. Pure.

Source: FHIR R4, section 3.1.1.4 (search parameter types, prefixes, escaping).
"""

from __future__ import annotations

import math
import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from compliance.fhir.errors import ParameterWrong

LONGEST = 256  # characters of one value
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_REFERENCE = re.compile(r"(?:([A-Z][A-Za-z]{0,39})/)?([A-Za-z0-9\-.]{1,64})")
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


class Prefix(StrEnum):
    """How a date or number compares."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    SA = "sa"
    EB = "eb"
    AP = "ap"


@dataclass(frozen=True, slots=True)
class Token:
    """`code`, `system|code`, `|code` or `system|`. `system` is None where any will do, "" where there must be none."""

    system: str | None
    code: str


@dataclass(frozen=True, slots=True)
class DateRange:
    """The span that a date of some precision means: low <= t < high."""

    prefix: Prefix
    low: datetime
    high: datetime


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with the half-width of its last digit, and a unit where one was given."""

    prefix: Prefix
    value: float
    margin: float
    system: str
    code: str

    def matches(self, value: float) -> bool:
        """Tell whether `value`, in the same unit, satisfies the comparison."""
        low, high = self.value - self.margin, self.value + self.margin
        match self.prefix:
            case Prefix.EQ:
                return low <= value < high
            case Prefix.NE:
                return not low <= value < high
            case Prefix.GT | Prefix.SA:
                return value > self.value
            case Prefix.LT | Prefix.EB:
                return value < self.value
            case Prefix.GE:
                return value >= self.value
            case Prefix.LE:
                return value <= self.value
            case Prefix.AP:
                return abs(value - self.value) <= max(abs(self.value) * 0.1, self.margin)


@dataclass(frozen=True, slots=True)
class Reference:
    """`Type/id`; `type` is empty where only the id was given."""

    type: str
    id: str


Value = Token | DateRange | Quantity | Reference | str


def split_values(text: str) -> list[str]:
    """Split a parameter's alternatives at commas that no backslash escapes; each is still escaped.

    Raises ParameterWrong when one is empty or too long.
    """
    parts = _split(text, ",")
    if any(not part or len(part) > LONGEST for part in parts):
        raise ParameterWrong(f"A value is empty or longer than {LONGEST} characters.")
    return parts


def _split(text: str, mark: str) -> list[str]:
    parts, current, escaped = [], "", False
    for letter in text:
        if letter == mark and not escaped:
            parts.append(current)
            current = ""
            continue
        current += letter
        escaped = letter == "\\" and not escaped
    return [*parts, current]


def unescape(text: str) -> str:
    r"""Return the text behind `\,`, `\|`, `\$` and `\\`."""
    return re.sub(r"\\([,|$\\])", r"\1", text)


def parse_token(text: str) -> Token:
    """Read a token. Raises ParameterWrong."""
    parts = _split(text, "|")
    if len(parts) > 2:
        raise ParameterWrong("A token has at most one '|', between system and code.")
    if len(parts) == 1:
        return Token(None, unescape(parts[0]))
    return Token(unescape(parts[0]), unescape(parts[1]))


def _prefixed(text: str) -> tuple[Prefix, str]:
    if text[:2] in Prefix.__members__.values():
        return Prefix(text[:2]), text[2:]
    return Prefix.EQ, text


def parse_date(text: str) -> DateRange:
    """Read a date with its prefix; what is not written widens the span. Times without a zone are UTC.

    Raises ParameterWrong.
    """
    prefix, rest = _prefixed(text)
    match = _DATE.fullmatch(rest)
    if match is None:
        raise ParameterWrong("A date looks like 2026-03, 2026-03-01 or ge2026-03-01T08:00:00Z.")
    try:
        low, high = _span(match)
    except (ValueError, OverflowError) as error:
        raise ParameterWrong("There is no such date.") from error
    if not EARLIEST <= low <= LATEST:
        raise ParameterWrong("This date lies outside of what can be searched.")
    return DateRange(prefix, low, high)


def _span(match: re.Match[str]) -> tuple[datetime, datetime]:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if month is None:
        return datetime(int(year), 1, 1, tzinfo=UTC), datetime(int(year) + 1, 1, 1, tzinfo=UTC)
    if day is None:
        low = datetime(int(year), int(month), 1, tzinfo=UTC)
        return low, low + timedelta(days=monthrange(low.year, low.month)[1])
    if hour is None:
        low = datetime(int(year), int(month), int(day), tzinfo=UTC)
        return low, low + timedelta(days=1)
    micros = int((fraction or "0").ljust(6, "0")[:6])
    low = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micros, tzinfo=UTC)
    low -= _offset(zone)
    if second is None:
        return low, low + timedelta(minutes=1)
    return low, low + (timedelta(microseconds=10 ** max(6 - len(fraction or ""), 0)))


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta(0)
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError("no such zone")
    return (1 if zone[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes)


def parse_quantity(text: str) -> Quantity:
    """Read `[prefix]number[|system|code]`. Raises ParameterWrong."""
    parts = [unescape(part) for part in _split(text, "|")]
    prefix, number = _prefixed(parts[0])
    if len(parts) not in {1, 3} or not _NUMBER.fullmatch(number):
        raise ParameterWrong("A quantity looks like gt7.2|http://unitsofmeasure.org|mg/dL.")
    try:
        exact = Decimal(number)
        value, margin = float(exact), float(Decimal((0, (5,), int(exact.as_tuple().exponent) - 1)))
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise ParameterWrong("This number cannot be read.") from error
    if not math.isfinite(value):
        raise ParameterWrong("This number is out of range.")
    return Quantity(prefix, value, margin, *(parts[1:] or ("", "")))


def parse_reference(text: str, base: str = "") -> Reference:
    """Read `Type/id`, `id`, or an absolute URL below `base`, this server's own address. Raises ParameterWrong."""
    relative = text.removeprefix(base) if base and text.startswith(base) else text
    match = _REFERENCE.fullmatch(unescape(relative))
    if match is None:
        raise ParameterWrong("A reference looks like Patient/3f0c... and points to this server.")
    return Reference(match[1] or "", match[2])


def check_text(text: str) -> str:
    """Return the text unescaped. Raises ParameterWrong when it is empty."""
    plain = unescape(text).strip()
    if not plain:
        raise ParameterWrong("The text to look for is empty.")
    return plain
