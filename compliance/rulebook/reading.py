"""Read rules from TOML. Strict: an unknown word, a missing one or a wrong type is refused with its place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from compliance.rulebook.facts import Value
from compliance.rulebook.language import (
    LANGUAGE,
    Actor,
    After,
    AnyOf,
    Apart,
    AtMost,
    Before,
    Condition,
    Demand,
    Ending,
    Has,
    Join,
    Reference,
    Rule,
    Same,
    Selection,
    Severity,
    Stands,
    Total,
    What,
)

T = TypeVar("T")
NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")
FIELD = re.compile(r"code|patient|actor|ward|detail\.[a-z][a-z0-9_]{0,39}")
CODE = re.compile(r"[a-z][a-z0-9_]{1,63}")
MAX_TEXT = 16_000
MAX_WINDOW_H = 24.0 * 31
AGAINST_REFERENCE = (Stands, AtMost, Same, Total, Apart)


class RuleWrong(ValueError):
    """A rule does not follow the language; the message names the place."""


class _Table:
    """A table of the data that notes which words were read, so that the rest can be refused."""

    def __init__(self, data: object, place: str) -> None:
        if not isinstance(data, Mapping):
            raise RuleWrong(f"{place}: a table is expected")
        self.data, self.place, self.left = data, place, set(data)

    def take(self, word: str, kind: type[T] | tuple[type[Any], ...], default: Any = ...) -> Any:
        """Return the value of `word`; raise RuleWrong where it is missing or of another type."""
        self.left.discard(word)
        if word not in self.data:
            if default is ...:
                raise RuleWrong(f"{self.place}: '{word}' is missing")
            return default
        value = self.data[word]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise RuleWrong(f"{self.place}: '{word}' has the wrong type")
        return value

    def text(self, word: str, pattern: re.Pattern[str] | None = None, most: int = 400) -> str:
        """Return a short text that matches `pattern`."""
        value: str = self.take(word, str)
        if not value.strip() or len(value) > most or (pattern and not pattern.fullmatch(value)):
            raise RuleWrong(f"{self.place}: '{word}' cannot be '{value[:60]}'")
        return value

    def time_s(self, word: str, unit_s: float) -> float:
        """Return a positive length of time in seconds."""
        value = float(self.take(word, (int, float)))
        if not 0 < value * unit_s <= MAX_WINDOW_H * 3600:
            raise RuleWrong(f"{self.place}: '{word}' must be positive and at most {MAX_WINDOW_H:g} hours")
        return value * unit_s

    def fields(self, word: str) -> tuple[str, ...]:
        """Return a list of field names."""
        return tuple(_field(entry, f"{self.place}.{word}") for entry in self.take(word, list))

    def end(self) -> None:
        """Refuse what nobody read."""
        if self.left:
            raise RuleWrong(f"{self.place}: unknown word '{min(self.left)}'")


def read_rules(text: str) -> list[Rule]:
    """Return the rules of a TOML document. Raises RuleWrong."""
    if len(text) > MAX_TEXT:
        raise RuleWrong(f"a document of rules has at most {MAX_TEXT} characters")
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RuleWrong(f"this is not TOML: {error}") from error
    table = _Table(document, "document")
    if table.take("language", int, LANGUAGE) != LANGUAGE:
        raise RuleWrong(f"this house speaks version {LANGUAGE} of the language")
    rules = [read_rule(entry, f"rule {place}") for place, entry in enumerate(table.take("rule", list), start=1)]
    table.end()
    if len({rule.id for rule in rules}) != len(rules):
        raise RuleWrong("document: a rule stands twice")
    return rules


@cache
def house_rules() -> tuple[Rule, ...]:
    """Return the rules that ship with the house."""
    return tuple(read_rules(house_text()))


def house_documents() -> Iterator[tuple[Rule, str]]:
    """Yield the house's rules, each with a document of its own: a rule in force keeps its text."""
    _head, *texts = house_text().split("\n[[rule]]\n")
    for text in texts:
        document = f"language = {LANGUAGE}\n\n[[rule]]\n{text}"
        (rule,) = read_rules(document)
        yield rule, document


@cache
def house_text() -> str:
    """Return the document of the rules that ship with the house."""
    return files("compliance.rulebook").joinpath("rules.toml").read_text(encoding="utf-8")


def read_rule(data: object, place: str = "rule") -> Rule:
    """Return one rule. Raises RuleWrong."""
    table = _Table(data, place)
    name = table.text("id", NAME, 40)
    table.place = f"rule {name}"
    rule = Rule(
        id=name,
        version=table.take("version", int),
        title=table.text("title", most=80),
        plain=table.text("plain"),
        source=table.text("source"),
        severity=_choice(Severity, table.text("severity"), table.place),
        on=_selection(table.take("on", dict), f"{table.place}.on"),
        reference=_reference(table.data["reference"], table.place) if table.take("reference", dict, None) else None,
        demands=tuple(_demands(table.take("demand", list), table.place)),
    )
    table.end()
    return _consistent(rule)


def _consistent(rule: Rule) -> Rule:
    names = [demand.name for demand in rule.demands]
    if not names or len(set(names)) != len(names):
        raise RuleWrong(f"rule {rule.id}: name at least one demand, and each once")
    if rule.version < 1:
        raise RuleWrong(f"rule {rule.id}: versions count from 1")
    against = [demand.name for demand in rule.demands if isinstance(demand.what, AGAINST_REFERENCE)]
    if against and rule.reference is None:
        raise RuleWrong(f"rule {rule.id}: '{against[0]}' compares with a reference, and there is none")
    return rule


def _demands(entries: list[object], place: str) -> Iterator[Demand]:
    for entry in entries:
        table = _Table(entry, f"{place}.demand")
        name = table.text("name", NAME, 40)
        table.place = f"{place}.{name}"
        sentence, kind = table.text("sentence", most=200), table.text("kind")
        reader = _KINDS.get(kind)
        if reader is None:
            raise RuleWrong(f"{table.place}: '{kind}' is no kind of demand")
        yield Demand(name, sentence, reader(table))
        table.end()


def _any_of(table: _Table) -> AnyOf:
    options = tuple(_demands(table.take("option", list), table.place))
    if len(options) < 2 or not all(isinstance(option.what, Has | Before) for option in options):
        raise RuleWrong(f"{table.place}: name two or more options of the kinds has and before")
    return AnyOf(options)


def _after(table: _Table) -> After:
    by = table.take("depends_on", str, None)
    if by is None:
        within = {"": table.time_s("within_min", 60)}
    else:
        times = _Table(table.take("within_min", dict), f"{table.place}.within_min")
        within = {"" if word == "other" else word: times.time_s(word, 60) for word in sorted(times.data)}
    return After(
        by=_records(table),
        join=_join(table, "join"),
        within_s=within,
        depends_on=_field(by, table.place) if by else None,
        actor=_choice(Actor, table.take("actor", str, "any"), table.place),
    )


def _before(table: _Table) -> Before:
    return Before(
        by=_records(table),
        join=_join(table, "join"),
        window_s=table.time_s("within_min", 60),
        actor=_choice(Actor, table.take("actor", str, "any"), table.place),
        once=table.take("once", bool, False),
    )


def _total(table: _Table) -> Total:
    return Total(
        field=table.text("field", FIELD),
        of=table.text("of", FIELD),
        per=table.fields("per"),
        window_s=table.time_s("window_h", 3600),
        identity=table.text("identity", FIELD),
        undoes=table.text("undoes", FIELD),
    )


_KINDS: dict[str, Callable[[_Table], What]] = {
    "has": lambda table: Has(tuple(_where(table))),
    "stands": lambda table: Stands(),
    "at_most": lambda table: AtMost(table.text("field", FIELD), table.text("of", FIELD)),
    "same": lambda table: Same(table.text("field", FIELD), table.text("of", FIELD)),
    "total": _total,
    "apart": lambda table: Apart(
        table.text("of", FIELD), table.fields("per"), table.text("identity", FIELD), table.text("undoes", FIELD)
    ),
    "before": _before,
    "after": _after,
    "any_of": _any_of,
}


def _reference(data: object, place: str) -> Reference:
    table = _Table(data, f"{place}.reference")
    endings = []
    for entry in table.take("ended_by", list, []):
        ending = _Table(entry, f"{table.place}.ended_by")
        endings.append(Ending(_records(ending), _join(ending, "join")))
        ending.end()
    made = Reference(
        opened_by=_selection(table.take("opened_by", dict), f"{table.place}.opened_by"),
        join=_join(table, "join"),
        ended_by=tuple(endings),
        expires=table.text("expires", FIELD) if "expires" in table.data else None,
        moment=table.text("moment", FIELD) if "moment" in table.data else None,
    )
    table.end()
    return made


def _selection(data: object, place: str) -> Selection:
    table = _Table(data, place)
    made = _records(table)
    table.end()
    return made


def _records(table: _Table) -> Selection:
    codes = table.take("codes", list)
    if not codes or not all(isinstance(code, str) and CODE.fullmatch(code) for code in codes):
        raise RuleWrong(f"{table.place}: 'codes' names the codes of records")
    present = table.fields("present") if "present" in table.data else ()
    return Selection(frozenset(codes), tuple(_where(table, required=False)), present)


def _where(table: _Table, required: bool = True) -> Iterator[Condition]:
    entries = table.take("where", dict, ... if required else {})
    for field, allowed in entries.items():
        values: list[Value] = allowed if isinstance(allowed, list) else [allowed]
        if not values or not all(isinstance(value, str | int | float | bool) for value in values):
            raise RuleWrong(f"{table.place}: '{field}' needs a value or a list of values")
        yield Condition(_field(field, table.place), tuple(values))


def _join(table: _Table, word: str) -> Join:
    pairs = table.take(word, list)
    if not pairs or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise RuleWrong(f"{table.place}: '{word}' is a list of pairs of fields")
    return tuple((_field(mine, table.place), _field(other, table.place)) for mine, other in pairs)


def _field(name: object, place: str) -> str:
    if not isinstance(name, str) or not FIELD.fullmatch(name):
        raise RuleWrong(f"{place}: '{str(name)[:60]}' is no field of a record")
    return name


def _choice(kind: Callable[[str], T], word: str, place: str) -> T:
    try:
        return kind(word)
    except ValueError as error:
        raise RuleWrong(f"{place}: '{word[:60]}' is not a choice here") from error
