"""Single things for the page of the policy: found by text among what the reader may ask about, and named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q

from compliance.errors import SealedFieldAltered, SubjectErased
from compliance.models import Patient, Ward
from compliance.policy import Governed, Resource, Scope
from compliance.policy.finders import Finder, finder_of
from compliance.policy.kinds import KINDS, Place
from compliance.selectors.identities import by_name, those_who, with_number
from compliance.selectors.people import within_scope

LEAST_CHARS, MOST_CHARS = 2, 80
MOST_FOUND = 12


@dataclass(frozen=True, slots=True)
class Named:
    """One thing: of which kind, which one, whose, and what the policy judges."""

    kind: str
    pk: str
    title: str
    resource: Resource
    patient: Patient | None = None
    ward: str = ""

    @property
    def words(self) -> str:
        """Return the kind in words."""
        return KINDS[self.kind].words


@dataclass(frozen=True, slots=True)
class Found:
    """What a search led to: single things, and the patients and wards of whose things any could be meant."""

    things: list[Named]
    patients: list[Patient]
    wards: list[Ward]

    @property
    def patient_ids(self) -> set[UUID]:
        """Everybody whom the answer names."""
        return {one.pk for one in self.patients} | {one.patient.pk for one in self.things if one.patient is not None}


def find(scope: Scope, kind: str, text: str) -> Found:
    """Return at most 12 things of `kind` inside `scope` that are called `text`, or whose patient is.

    A record number is found exactly and names by any part of them; two characters at least. Wards name nobody: without
    a text all of the reader's are offered.
    """
    finder, words, place = finder_of(kind), " ".join(text.split())[:MOST_CHARS], KINDS[kind].place
    wards = Ward.objects.filter(pk__in=scope.ward_ids, name__icontains=words).order_by("name")
    offered = list(wards[:MOST_FOUND]) if place is Place.WARD else []
    if len(words) < (LEAST_CHARS if place is Place.PATIENT else 1):
        return Found([], [], offered)
    people = _people(scope, words) if place is Place.PATIENT else []
    things = [] if finder is None else _called(finder, scope, words, people)
    anybodys = [] if finder is not None and finder.patient_field == "" else people[:MOST_FOUND]
    return Found(things, by_name(Patient.objects.select_related("ward").filter(pk__in=anybodys)), offered)


def _called(finder: Finder, scope: Scope, words: str, people: list[UUID]) -> list[Named]:
    wanted = finder.called(words) or Q(pk__in=[])
    if finder.patient_field is not None:
        wanted |= Q(**{f"{finder.patient_field or 'pk'}__in": people})
    return [_named(finder, row) for row in _inside(finder, scope).filter(wanted)[:MOST_FOUND]]


def one(scope: Scope, kind: str, pk: str) -> tuple[Named, Governed] | None:
    """Return the thing of `kind` with the key `pk`; None alike for one that is not there and one outside `scope`."""
    finder = finder_of(kind)
    if finder is None:
        return None
    try:
        row = _inside(finder, scope).filter(pk=pk).first()
    except (ValueError, ValidationError, OverflowError):
        return None
    return None if row is None else (_named(finder, row), row)


def titled(kind: str, keys: Iterable[object]) -> dict[str, Named]:
    """Return the things of `kind` with these keys, named: for a list that has been scoped already."""
    finder = finder_of(kind)
    rows = finder.rows().filter(pk__in=list(keys)) if finder is not None else []
    return {str(row.pk): _named(finder, row) for row in rows} if finder is not None else {}


def _inside(finder: Finder, scope: Scope) -> Any:
    if finder.within is not None:
        return finder.within(finder.rows(), scope)
    return within_scope(finder.rows(), scope, finder.patient_field, finder.ward_field)


def _people(scope: Scope, text: str) -> list[UUID]:
    people = within_scope(Patient.objects.all(), scope, patient_field="")
    exactly = list(with_number(text, people).values_list("pk", flat=True))
    return exactly or those_who(people, partial(_is_called, text.casefold().split()))


def _is_called(words: list[str], patient: Patient) -> bool:
    whole = f"{patient.given_name} {patient.family_name}".casefold()
    return all(word in whole for word in words)


def _named(finder: Finder, row: Any) -> Named:
    resource, patient = row.policy_resource(), finder.whose(row)
    try:
        title = finder.title(row)
    except (SealedFieldAltered, SubjectErased):
        title = "A record that cannot be read"
    return Named(finder.kind, str(row.pk), title, resource, patient, _ward(patient, resource))


def _ward(patient: Patient | None, resource: Resource) -> str:
    if patient is not None:
        return patient.ward.name
    rows = Ward.objects.filter(pk=resource.ward_id) if resource.ward_id is not None else Ward.objects.none()
    return rows.values_list("name", flat=True).first() or ""
