"""SMART scopes: what a token may do at most. Pure; the policy has its own say beside them.

Version 2 (`user/Observation.rs`) and version 1 (`user/Observation.read`) are read; version 2 is written.
Source: SMART App Launch 2.2, "Scopes for requesting FHIR resources".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import StrEnum

from compliance.errors import DomainError

LETTERS = "cruds"
_V1 = {"read": "rs", "write": "cud", "*": LETTERS}
_SCOPE = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]{0,39})\.(read|write|\*|c?r?u?d?s?)")


class ScopeWrong(DomainError):
    """A scope cannot be read or is not offered."""

    code = "scope_wrong"


class Context(StrEnum):
    """Whose records a scope is about."""

    PATIENT = "patient"  # the one patient that the token names
    USER = "user"  # whatever the person may see
    SYSTEM = "system"  # whatever the service account may see


@dataclass(frozen=True, slots=True)
class FhirScope:
    """One scope. `resource` is a resource type or "*"; letters are a subset of c, r, u, d, s."""

    context: Context
    resource: str
    letters: frozenset[str]

    def __str__(self) -> str:
        return f"{self.context}/{self.resource}.{''.join(letter for letter in LETTERS if letter in self.letters)}"

    def covers(self, resource: str, letter: str) -> bool:
        """Tell whether the scope lets `letter` be done with `resource`."""
        return letter in self.letters and self.resource in {"*", resource}

    def within(self, other: FhirScope) -> bool:
        """Tell whether `other` covers everything that this scope does."""
        return (
            self.context is other.context and other.resource in {"*", self.resource} and self.letters <= other.letters
        )


def parse_scope(text: str) -> FhirScope:
    """Return the scope that `text` writes. Raises ScopeWrong: finer scopes (`?category=...`) are not offered."""
    match = _SCOPE.fullmatch(text)
    if match is None or not match[3]:
        raise ScopeWrong(f"'{text[:60]}' is not a scope that is offered here; one looks like user/Observation.rs.")
    return FhirScope(Context(match[1]), match[2], frozenset(_V1.get(match[3], match[3])))


def parse_scopes(text: str, known: Set[str]) -> tuple[FhirScope, ...]:
    """Return the scopes of a space-separated list, each once.

    Raises ScopeWrong when one cannot be read, names a resource type that is not in `known`, or when there is none.
    """
    scopes = tuple(dict.fromkeys(parse_scope(word) for word in text.split()))
    if not scopes:
        raise ScopeWrong("At least one scope is needed, such as user/Observation.rs.")
    for scope in scopes:
        if scope.resource != "*" and scope.resource not in known:
            raise ScopeWrong(f"{scope.resource} is not offered here; /fhir/metadata lists what is.")
    return scopes


def granted(asked: Iterable[FhirScope], allowed: Iterable[FhirScope]) -> tuple[FhirScope, ...]:
    """Return those of the asked scopes that lie within an allowed one."""
    limits = tuple(allowed)
    return tuple(scope for scope in asked if any(scope.within(limit) for limit in limits))


def contexts_for(scopes: Iterable[FhirScope], resource: str, letter: str) -> frozenset[Context]:
    """Return in which contexts the scopes let `letter` be done with `resource`."""
    return frozenset(scope.context for scope in scopes if scope.covers(resource, letter))
