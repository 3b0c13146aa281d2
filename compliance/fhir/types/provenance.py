"""Provenance: who or what says so, of every change that a history of this API shows."""

from __future__ import annotations

from typing import Any, ClassVar

from compliance.fhir.gathered import Gathered, Part
from compliance.fhir.parameters import Kind, Parameter, moment, subject
from compliance.fhir.types.provenance_parts import (
    ADMINISTRATION,
    STATEMENT,
    Corrections,
    EndedRegimens,
    Intakes,
    Withdrawals,
    WrittenRegimens,
)

TARGETS = (ADMINISTRATION, STATEMENT, "MedicationRequest", "Observation", "Patient")


class Provenances(Gathered):
    """Where the knowledge behind a version comes from. Upper packages add parts for what they keep."""

    name = "Provenance"
    about = (
        "Who or what is behind a version: the person, or the pillbox with its reading, that says a dose was taken; who "
        "took that back; who prescribed or ended a regimen; who corrected a record; who sent an Observation."
    )
    action = "compliance.view_adherence"
    history_kept = True
    versions = "One: where something came from does not change."
    date_sort = "recorded"
    parameters = (
        subject(path="target"),
        moment("recorded", "When it was recorded", "recorded_at"),
        Parameter(name="target", kind=Kind.REFERENCE, about="What it is about", targets=TARGETS, path="target"),
    )
    includes = ("target",)
    parts: ClassVar[list[Part[Any]]] = [Intakes(), Withdrawals(), WrittenRegimens(), EndedRegimens(), Corrections()]

    @classmethod
    def add(cls, part: Part[Any]) -> None:
        """Add a part once; its ids begin as those of no other part do."""
        if all(part.prefix != held.prefix for held in cls.parts):
            cls.parts.append(part)
