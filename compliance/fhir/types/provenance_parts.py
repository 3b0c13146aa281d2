"""The parts of Provenance that this package knows: intakes, regimens, corrections of a record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Resource, coding, concept, refer
from compliance.fhir.gathered import Part
from compliance.fhir.parameters import NEVER, Kind, Parameter, as_utc, int_key, moment, subject, uuid_key
from compliance.fhir.types.editions import carried_out
from compliance.fhir.types.medication import ENDED, dated
from compliance.fhir.types.staff import device, practitioner
from compliance.fhir.values import Reference, Value
from compliance.models import Intake, IntakeSource, Regimen
from compliance.models.corrections import Correction
from compliance.selectors import within_scope

M = TypeVar("M", bound=Model)
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
STATEMENT, ADMINISTRATION = "MedicationStatement", "MedicationAdministration"
STATED = Q(source=IntakeSource.MANUAL, regimen__isnull=False)
CREATE, UPDATE = "CREATE", "UPDATE"


def target_of(target: str, column: str, key: Callable[[str], object | None] = int_key) -> Parameter:
    """The parameter `target` of a part whose rows are about one resource of one type each."""

    def condition(value: Value, _modifier: str) -> Q:
        value = cast(Reference, value)
        found = key(value.id) if value.type == target else None
        return NEVER if found is None else Q(**{column: found})

    return Parameter(name="target", kind=Kind.REFERENCE, about="", targets=(target,), condition=condition)


def parameters_of(target: Parameter, recorded: str, patient: str = "patient_id") -> tuple[Parameter, ...]:
    """The parameters that every part has, over its own columns."""
    return (subject(column=patient, path="target"), moment("recorded", "", recorded), target)


def provenance(key: str, target: Resource, recorded: datetime, does: str, *agents: Resource) -> Resource:
    """Return a Provenance of one change."""
    return {
        "resourceType": "Provenance",
        "id": key,
        "target": [target],
        "recorded": as_utc(recorded),
        "activity": concept(coding(OPERATION, does)),
        "agent": list(agents),
    }


def author(user_id: int | None) -> Resource:
    """Return a person of the house as an author; the house itself where nobody is on record."""
    who = practitioner(user_id) if user_id is not None else {"display": "Medtwin"}
    return {"type": concept(coding(PARTICIPANT, "author")), "who": who}


class OfProvenance(Part[M]):
    """What the parts share."""

    name = "Provenance"
    about = ""
    action = "compliance.view_adherence"


def _target(value: Value, _modifier: str) -> Q:
    value = cast(Reference, value)
    key = int_key(value.id)
    if key is None or value.type not in {STATEMENT, ADMINISTRATION}:
        return NEVER
    return STATED & Q(pk=key) if value.type == STATEMENT else Q(doses=key)


class Intakes(OfProvenance[Intake]):
    """Where the knowledge of an intake comes from, with the reading that is the evidence."""

    born = changed = "recorded_at"
    parameters = parameters_of(
        Parameter(name="target", kind=Kind.REFERENCE, about="", targets=(ADMINISTRATION, STATEMENT), condition=_target),
        "recorded_at",
    )

    def rows(self, access: Access) -> QuerySet[Intake]:
        """Return the intakes that a statement or an administration shows."""
        shown = Intake.objects.filter(STATED | Q(doses__isnull=False)).distinct().prefetch_related("doses")
        return within_scope(shown, access.reach(self.action))

    def synthetic(self, row: Intake) -> bool:
        """Tell whether a generator made the intake."""
        return row.source == IntakeSource.SYNTHETIC

    def render(self, row: Intake) -> Resource:
        """Return a Provenance."""
        targets = [refer(ADMINISTRATION, dose.pk) for dose in sorted(row.doses.all(), key=lambda dose: dose.pk)]
        if row.source == IntakeSource.MANUAL and row.regimen_id is not None:
            targets.insert(0, refer(STATEMENT, row.pk))
        made: Resource = {
            "resourceType": "Provenance",
            "id": str(row.pk),
            "target": targets,
            "occurredDateTime": as_utc(row.at),
            "recorded": as_utc(row.recorded_at),
            "activity": concept(coding(OPERATION, CREATE)),
            "agent": [_agent(row)],
        }
        if row.device_id is not None and row.seq is not None:
            reading = {"system": "urn:medtwin:reading", "value": f"{row.device_id}/{row.seq}"}
            made["entity"] = [{"role": "source", "what": {"identifier": reading}}]
        return made


def _agent(row: Intake) -> Resource:
    if row.device_id is None:
        return author(row.recorded_by_id)
    return {"type": concept(coding(PARTICIPANT, "assembler")), "who": device(row.device_id)}


class Withdrawals(OfProvenance[Intake]):
    """Who took an entry by hand back."""

    prefix = "w"
    born = changed = "withdrawn_at"
    parameters = parameters_of(target_of(STATEMENT, "pk"), "withdrawn_at")

    def rows(self, access: Access) -> QuerySet[Intake]:
        """Return the entries that were taken back."""
        return within_scope(Intake.objects.filter(STATED, withdrawn_at__isnull=False), access.reach(self.action))

    def render(self, row: Intake) -> Resource:
        """Return a Provenance."""
        at = cast(datetime, row.withdrawn_at)
        return provenance(f"w{row.pk}", refer(STATEMENT, row.pk), at, UPDATE, author(row.withdrawn_by_id))


class WrittenRegimens(OfProvenance[Regimen]):
    """Who prescribed a regimen."""

    prefix = "r"
    born = changed = "recorded_at"
    parameters = parameters_of(target_of("MedicationRequest", "pk"), "recorded_at")

    def rows(self, access: Access) -> QuerySet[Regimen]:
        """Return every regimen."""
        return within_scope(Regimen.objects.select_related("order"), access.reach(self.action))

    def render(self, row: Regimen) -> Resource:
        """Return a Provenance."""
        order = getattr(row, "order", None)
        by = author(order.prescribed_by_id if order is not None else None)
        return provenance(f"r{row.pk}", refer("MedicationRequest", row.pk), row.recorded_at, CREATE, by)


class EndedRegimens(OfProvenance[Regimen]):
    """Who ended a regimen; the house, where its last day did."""

    prefix = "e"
    born = changed = "ended_at"
    parameters = parameters_of(target_of("MedicationRequest", "pk"), "ended_at")

    def rows(self, access: Access) -> QuerySet[Regimen]:
        """Return the regimens that hold no more."""
        ended = dated(Regimen.objects.select_related("order")).filter(ENDED)
        return within_scope(ended, access.reach(self.action))

    def render(self, row: Regimen) -> Resource:
        """Return a Provenance."""
        order, at = getattr(row, "order", None), row.ended_at  # type: ignore[attr-defined]
        by = author(order.ended_by_id if order is not None and row.stopped_at is not None else None)
        return provenance(f"e{row.pk}", refer("MedicationRequest", row.pk), at, UPDATE, by)


class Corrections(OfProvenance[Correction]):
    """Who corrected a patient's record at the patient's word, and which part; never what stood or stands there."""

    prefix = "c"
    action = "compliance.view_patient"
    born = changed = "at"
    parameters = parameters_of(target_of("Patient", "patient_id", uuid_key), "at")

    def key(self, text: str) -> UUID | None:
        """Return the UUID that an id of this part writes."""
        return uuid_key(text.removeprefix(self.prefix)) if len(text) == 37 and text.startswith(self.prefix) else None

    def rows(self, access: Access) -> QuerySet[Correction]:
        """Return the corrections that changed a record."""
        return within_scope(carried_out().select_related("request"), access.reach(self.action))

    def render(self, row: Correction) -> Resource:
        """Return a Provenance."""
        asked: dict[str, Any] = {
            "type": concept(coding(PARTICIPANT, "informant")),
            "who": refer("Patient", row.patient_id),
        }
        at, by = row.at, author(row.request.decided_by_id)  # type: ignore[attr-defined]
        made = provenance(f"c{row.pk}", refer("Patient", row.patient_id), at, UPDATE, by, asked)
        return made | {"reason": [concept(coding(REASON, "PATRQT"), text=f"Correction of: {row.part_words}")]}
