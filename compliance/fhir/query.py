"""A search as asked: from name and value pairs to criteria, order, what comes with it, and how much of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from compliance.fhir.cursor import Pairs
from compliance.fhir.errors import NotSupported, ParameterWrong
from compliance.fhir.parameters import Criterion, Kind, Parameter
from compliance.fhir.registry import ResourceType, registered
from compliance.fhir.values import LONGEST, split_values

COUNT, MOST = 50, 200
MOST_PAIRS, MOST_VALUES, MOST_SORTS = 40, 50, 3
SUMMARIES = {"false", "true", "count", "data"}
TOTALS = {"none", "estimate", "accurate"}
ID = Parameter(name="_id", kind=Kind.TOKEN, about="The logical id")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]{0,63}")


@dataclass(frozen=True, slots=True)
class Inclusion:
    """One `_include` or `_revinclude`: a reference parameter of a source type, and which target types it may bring."""

    source: ResourceType
    parameter: Parameter
    target: str


@dataclass(frozen=True, slots=True)
class Query:
    """One search. `used` are the pairs that count; `ignored` those that were left out under lenient handling."""

    criteria: tuple[Criterion, ...] = ()
    sort: tuple[str, ...] = ()
    count: int = COUNT
    summary: str = "false"
    elements: tuple[str, ...] = ()
    total: str = ""
    includes: tuple[Inclusion, ...] = ()
    revincludes: tuple[Inclusion, ...] = ()
    used: Pairs = ()
    ignored: tuple[str, ...] = ()

    @property
    def sensitive(self) -> bool:
        """Tell whether a value says who a patient is."""
        return any(criterion.parameter.sensitive for criterion in self.criteria)


@dataclass(slots=True)
class _Reader:
    """Collects the parts of a query while it is read."""

    resource_type: ResourceType
    base: str
    parts: dict[str, object] = field(default_factory=dict)
    criteria: list[Criterion] = field(default_factory=list)
    includes: list[Inclusion] = field(default_factory=list)
    revincludes: list[Inclusion] = field(default_factory=list)

    def take(self, name: str, value: str) -> None:
        """Read one pair. Raises ParameterWrong."""
        match name:
            case "_count":
                self.parts["count"] = read_count(value)
            case "_sort":
                self.parts["sort"] = self._sort(value)
            case "_summary":
                self.parts["summary"] = _one_of(value, SUMMARIES, name)
            case "_total":
                self.parts["total"] = _one_of(value, TOTALS, name)
            case "_elements":
                self.parts["elements"] = _elements(value)
            case "_include":
                self.includes.append(self._include(value))
            case "_revinclude":
                self.revincludes.append(self._revinclude(value))
            case "_format" | "_pretty":
                pass
            case _:
                self.criteria.append(self._criterion(name, value))

    def _criterion(self, name: str, value: str) -> Criterion:
        bare, _, modifier = name.partition(":")
        if "." in bare:
            raise ParameterWrong("Chained parameters are not supported.")
        parameter = ID if bare == "_id" else self.resource_type.parameter(bare)
        if parameter is None:
            shown = bare if _NAME.fullmatch(bare) else "that name"
            raise ParameterWrong(f"{self.resource_type.name} has no search parameter {shown}.")
        if modifier and (modifier not in parameter.modifiers or parameter is ID):
            raise ParameterWrong(f"{bare} does not take that modifier.")
        if modifier == "missing":
            return Criterion(parameter, modifier, (_one_of(value, {"true", "false"}, name),))
        texts = split_values(value)
        if len(texts) > MOST_VALUES:
            raise ParameterWrong(f"{bare} has more than {MOST_VALUES} alternatives.")
        return Criterion(parameter, modifier, tuple(parameter.read(text, modifier, self.base) for text in texts))

    def _sort(self, value: str) -> tuple[str, ...]:
        names = tuple(value.split(","))
        bare = [name.removeprefix("-") for name in names]
        if len(names) > MOST_SORTS or len(set(bare)) != len(bare) or not set(bare) <= set(self.resource_type.sorts):
            raise ParameterWrong(f"_sort takes up to {MOST_SORTS} of {', '.join(self.resource_type.sorts)}.")
        return names

    def _include(self, value: str) -> Inclusion:
        source, parameter, target = _inclusion(value)
        if source is not self.resource_type:
            raise NotSupported(f"_include starts at {self.resource_type.name} here.")
        return Inclusion(source, parameter, target)

    def _revinclude(self, value: str) -> Inclusion:
        source, parameter, target = _inclusion(value)
        if self.resource_type.name not in parameter.targets or target not in {"", self.resource_type.name}:
            raise ParameterWrong(f"{parameter.name} of {source.name} does not point to {self.resource_type.name}.")
        return Inclusion(source, parameter, self.resource_type.name)


def read_query(resource_type: ResourceType, pairs: Iterable[tuple[str, str]], *, base: str, strict: bool) -> Query:
    """Return the search that the pairs ask for.

    Raises ParameterWrong: for an unknown parameter when `strict`, for a value that cannot be read always.
    """
    given = tuple(pairs)
    if len(given) > MOST_PAIRS:
        raise ParameterWrong(f"A search takes at most {MOST_PAIRS} parameters.")
    reader = _Reader(resource_type, base)
    used, ignored = [], []
    for name, value in given:
        if "\0" in name or "\0" in value:
            raise ParameterWrong("A parameter holds a NUL character.")
        if not strict and not _known(resource_type, name):
            ignored.append(name if _NAME.fullmatch(name) else "(a name that is none)")
            continue
        reader.take(name, value)
        used.append((name, value))
    return Query(
        criteria=tuple(reader.criteria),
        includes=tuple(dict.fromkeys(reader.includes)),
        revincludes=tuple(dict.fromkeys(reader.revincludes)),
        used=tuple(used),
        ignored=tuple(dict.fromkeys(ignored)),
        **reader.parts,  # type: ignore[arg-type]
    )


RESULT_PARAMETERS = frozenset(
    {"_count", "_sort", "_summary", "_total", "_elements", "_include", "_revinclude", "_format", "_pretty", "_id"}
)


def _known(resource_type: ResourceType, name: str) -> bool:
    bare = name.partition(":")[0]
    return bare in RESULT_PARAMETERS or resource_type.parameter(bare) is not None


def _inclusion(value: str) -> tuple[ResourceType, Parameter, str]:
    source_name, _, rest = value.partition(":")
    name, _, target = rest.partition(":")
    source = registered().get(source_name)
    parameter = source.include(name) if source else None
    if source is None or parameter is None or (target and target not in parameter.targets):
        raise ParameterWrong("This is nothing that can be included; /fhir/metadata lists what can.")
    return source, parameter, target


def read_count(value: str) -> int:
    """Return how many a page holds at most; more than 200 are never given. Raises ParameterWrong."""
    if not (value.isascii() and value.isdigit()) or len(value) > 9:
        raise ParameterWrong("_count is a whole number.")
    return min(int(value), MOST)


def _one_of(value: str, known: set[str], name: str) -> str:
    if value not in known:
        raise ParameterWrong(f"{name} is one of {', '.join(sorted(known))}.")
    return value


def _elements(value: str) -> tuple[str, ...]:
    names = tuple(value.split(","))
    if len(value) > LONGEST or not all(_NAME.fullmatch(name) for name in names):
        raise ParameterWrong("_elements lists names of elements, such as status,subject.")
    return names
