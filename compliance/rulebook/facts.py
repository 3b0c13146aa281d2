"""A log record as rules see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Fact:
    """One record of the log. `at_s` is its time in seconds since 1970; `patient` and `actor` are opaque identifiers."""

    index: int
    at_s: float
    code: str
    patient: str | None = None
    actor: str | None = None
    ward: int | None = None
    detail: Mapping[str, object] = field(default_factory=dict)

    def value(self, path: str) -> Value:
        """Return a field: "code", "patient", "actor", "ward", or "detail.x"; None where it is absent or no scalar."""
        inner = path.removeprefix("detail.")
        found = getattr(self, path) if inner == path else self.detail.get(inner)
        return found if isinstance(found, str | int | float | bool) else None
