"""People as research sees them, and the groups that they hide in (k-anonymity: Sweeney 2002)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

BAND_YEARS, TOP = 10, 90  # 45 CFR 164.514(b)(2)(i)(C): ages over 89 are one group


@dataclass(frozen=True, slots=True)
class Person:
    """One person under a pseudonym. offset_days: by how much all their dates move; it never leaves the process."""

    pseudonym: str
    offset_days: int
    age: str
    sex: str

    @property
    def group(self) -> tuple[str, str]:
        """What is left that somebody outside might know of them."""
        return self.age, self.sex


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Who stays, how many do not, and how small the smallest group is that is left (0: none is)."""

    kept: tuple[Person, ...]
    left_out: int
    groups: int
    smallest: int


def age_group(age_years: int) -> str:
    """Return the group of an age: ten years wide, everybody from 90 on in one."""
    if age_years >= TOP:
        return f"{TOP}+"
    low = max(age_years, 0) // BAND_YEARS * BAND_YEARS
    return f"{low}-{low + BAND_YEARS - 1}"


def suppress(people: Iterable[Person], k: int) -> Suppressed:
    """Leave out everybody of whose group there are fewer than `k`."""
    found = list(people)
    sizes = Counter(person.group for person in found)
    kept = tuple(person for person in found if sizes[person.group] >= k)
    left = {group: size for group, size in sizes.items() if size >= k}
    return Suppressed(kept, len(found) - len(kept), len(left), min(left.values(), default=0))
