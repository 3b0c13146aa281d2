"""Search parameters as data: what each is called, how its values read, and which rows they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import cast
from uuid import UUID

from django.db.models import Q

from compliance.fhir.errors import ParameterWrong
from compliance.fhir.values import (
    DateRange,
    Prefix,
    Reference,
    Token,
    Value,
    check_text,
    parse_date,
    parse_quantity,
    parse_reference,
    parse_token,
)

NEVER = Q(pk__in=[])
LARGEST_KEY = 2**63 - 1


class Kind(StrEnum):
    """The type of a search parameter, as in a CapabilityStatement."""

    TOKEN = "token"  # noqa: S105
    DATE = "date"
    REFERENCE = "reference"
    STRING = "string"
    QUANTITY = "quantity"


MODIFIERS: Mapping[Kind, frozenset[str]] = {
    Kind.TOKEN: frozenset({"not"}),
    Kind.STRING: frozenset({"exact", "contains"}),
}
Condition = Callable[[Value, str], Q]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One search parameter.

    path: the element that holds a reference, for `_include`. sensitive: tells who a patient is, so that it must not
    stand in a URL. condition: value and modifier -> rows; None where the resource type does not search a table.
    column: where `:missing` looks; empty when that is not offered.
    """

    name: str
    kind: Kind
    about: str
    targets: tuple[str, ...] = ()
    path: str = ""
    sensitive: bool = False
    condition: Condition | None = field(default=None, compare=False)
    column: str = ""

    @property
    def modifiers(self) -> frozenset[str]:
        """The modifiers that this parameter takes."""
        offered = MODIFIERS.get(self.kind, frozenset()) | frozenset(self.targets if self.kind is Kind.REFERENCE else ())
        return offered | {"missing"} if self.column else offered

    def read(self, text: str, modifier: str, base: str) -> Value:
        """Return one value. Raises ParameterWrong."""
        match self.kind:
            case Kind.TOKEN:
                return parse_token(text)
            case Kind.DATE:
                return parse_date(text)
            case Kind.QUANTITY:
                return parse_quantity(text)
            case Kind.REFERENCE:
                return self._reference(text, modifier, base)
            case Kind.STRING:
                return check_text(text)

    def _reference(self, text: str, modifier: str, base: str) -> Reference:
        found = parse_reference(text, base)
        wanted = found.type or modifier or (self.targets[0] if len(self.targets) == 1 else "")
        if found.type and modifier and found.type != modifier:
            raise ParameterWrong(f"{self.name}:{modifier} is given a reference to a {found.type}.")
        if not wanted:
            raise ParameterWrong(f"{self.name} may point to several types: write Type/id.")
        return Reference(wanted, found.id)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter of a search with its alternatives."""

    parameter: Parameter
    modifier: str
    values: tuple[Value, ...]

    def rows(self) -> Q:
        """Return which rows of the parameter's table satisfy any of the values."""
        if self.modifier == "missing":
            return Q(**{f"{self.parameter.column}__isnull": self.values[0] == "true"})
        condition = self.parameter.condition
        if condition is None:
            raise TypeError(f"{self.parameter.name} does not search a table")
        met = NEVER
        for value in self.values:
            met |= condition(value, self.modifier)
        return ~met if self.modifier == "not" else met


def coded(name: str, about: str, system: str, rows: Mapping[str, Q]) -> Parameter:
    """A token whose codes each mean some rows."""

    def condition(value: Value, _modifier: str) -> Q:
        value = cast(Token, value)
        if value.system not in {None, system}:
            return NEVER
        if not value.code:  # `system|`: any code of it
            return ~NEVER
        return rows.get(value.code, NEVER)

    return Parameter(name=name, kind=Kind.TOKEN, about=about, condition=condition)


def identifier(name: str, about: str, system: str, column: str, *, sensitive: bool = False) -> Parameter:
    """A token that is looked up in a text column."""

    def condition(value: Value, _modifier: str) -> Q:
        value = cast(Token, value)
        if value.system not in {None, system}:
            return NEVER
        return Q(**{column: value.code}) if value.code else ~NEVER

    return Parameter(name=name, kind=Kind.TOKEN, about=about, condition=condition, sensitive=sensitive)


def moment(name: str, about: str, column: str, *, nullable: bool = False) -> Parameter:
    """A date that is compared with a column of moments."""

    def condition(value: Value, _modifier: str) -> Q:
        value = cast(DateRange, value)
        return between(column, value)

    return Parameter(name=name, kind=Kind.DATE, about=about, condition=condition, column=column if nullable else "")


def day(name: str, about: str, column: str, *, sensitive: bool = False, nullable: bool = False) -> Parameter:
    """A date that is compared with a column of whole days."""

    def condition(value: Value, _modifier: str) -> Q:
        value = cast(DateRange, value)
        low, last = value.low.date(), (value.high - timedelta(microseconds=1)).date()
        return _compared(column, value.prefix, low, last + timedelta(days=1), timedelta(days=1))

    return Parameter(
        name=name,
        kind=Kind.DATE,
        about=about,
        condition=condition,
        sensitive=sensitive,
        column=column if nullable else "",
    )


def between(column: str, wanted: DateRange) -> Q:
    """Return the rows whose moment in `column` satisfies the date."""
    return _compared(column, wanted.prefix, wanted.low, wanted.high, timedelta(hours=12))


def _compared(column: str, prefix: Prefix, low: object, high: object, slack: timedelta) -> Q:
    inside = Q(**{f"{column}__gte": low, f"{column}__lt": high})
    match prefix:
        case Prefix.EQ:
            return inside
        case Prefix.NE:
            return ~inside
        case Prefix.GT | Prefix.SA:
            return Q(**{f"{column}__gte": high})
        case Prefix.LT | Prefix.EB:
            return Q(**{f"{column}__lt": low})
        case Prefix.GE:
            return Q(**{f"{column}__gte": low})
        case Prefix.LE:
            return Q(**{f"{column}__lt": high})
        case Prefix.AP:
            return Q(**{f"{column}__gte": low - slack, f"{column}__lt": high + slack})  # type: ignore[operator]


def day_satisfies(on: date, wanted: DateRange) -> bool:
    """Tell whether a day satisfies the date, as `day` does, for what the table cannot compare."""
    low, high = wanted.low.date(), (wanted.high - timedelta(microseconds=1)).date() + timedelta(days=1)
    slack = timedelta(days=1)
    match wanted.prefix:
        case Prefix.EQ:
            return low <= on < high
        case Prefix.NE:
            return not low <= on < high
        case Prefix.GT | Prefix.SA:
            return on >= high
        case Prefix.LT | Prefix.EB:
            return on < low
        case Prefix.GE:
            return on >= low
        case Prefix.LE:
            return on < high
        case Prefix.AP:
            return low - slack <= on < high + slack


def satisfies(at: datetime, wanted: DateRange) -> bool:
    """Tell whether a moment satisfies the date: the same answer as `between`, for what lies in no table."""
    slack = timedelta(hours=12)
    match wanted.prefix:
        case Prefix.EQ:
            return wanted.low <= at < wanted.high
        case Prefix.NE:
            return not wanted.low <= at < wanted.high
        case Prefix.GT | Prefix.SA:
            return at >= wanted.high
        case Prefix.LT | Prefix.EB:
            return at < wanted.low
        case Prefix.GE:
            return at >= wanted.low
        case Prefix.LE:
            return at < wanted.high
        case Prefix.AP:
            return wanted.low - slack <= at < wanted.high + slack


def link(
    name: str, about: str, target: str, column: str, path: str, key: Callable[[str], object | None] | None = None
) -> Parameter:
    """A reference that is looked up in a column of keys. `key` makes a key of an id, or None where none can be."""
    make = key or uuid_key

    def condition(value: Value, _modifier: str) -> Q:
        value = cast(Reference, value)
        found = make(value.id) if value.type == target else None
        return NEVER if found is None else Q(**{column: found})

    return Parameter(
        name=name, kind=Kind.REFERENCE, about=about, targets=(target,), path=path, condition=condition, column=column
    )


def subject(name: str = "patient", column: str = "patient_id", path: str = "subject") -> Parameter:
    """The reference to the patient that nearly every resource has."""
    return link(name, "Whose this is", "Patient", column, path)


def uuid_key(text: str) -> UUID | None:
    """Return the UUID that an id writes, or None."""
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def int_key(text: str) -> int | None:
    """Return the row number that an id writes, or None."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or text != str(int(text)):
        return None
    return int(text) if int(text) <= LARGEST_KEY else None


def as_utc(at: datetime) -> str:
    """Return a moment as FHIR's instant."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
