"""MedicationStatement: a person's word that a dose was taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from compliance.fhir.access import Access
from compliance.fhir.body import validate
from compliance.fhir.entries import Entry, Resource, refer
from compliance.fhir.errors import ResourceNotFound, ResourceWrong
from compliance.fhir.parameters import as_utc, coded, int_key, moment, subject
from compliance.fhir.streams import Stream
from compliance.fhir.table import Table
from compliance.fhir.types.medication import medicine
from compliance.fhir.types.staff import practitioner
from compliance.fhir.values import parse_reference
from compliance.models import Intake, IntakeSource, Regimen, ScheduledDose
from compliance.selectors import within_scope
from compliance.services.administrations import take, undo_taken
from compliance.services.intakes import LATE_UP_TO, UNSETTLED

STATUS = "http://hl7.org/fhir/CodeSystem/medication-statement-status"
RECORD = "compliance.record_intake"
TAKEN_OVER = {
    "resourceType", "status", "basedOn", "medicationCodeableConcept", "subject", "effectiveDateTime", "dateAsserted",
    "informationSource",
}  # fmt: skip


class MedicationStatements(Table[Intake]):
    """Entries by hand. Creating one marks the dose as taken, by the same rules as on the page; updating one to
    entered-in-error takes it back."""

    name = "MedicationStatement"
    about = "An entry by hand that a dose was taken; its status becomes entered-in-error when it is taken back."
    action = "compliance.view_adherence"
    history_kept = True
    versions = "A second version when it is taken back."
    creates = True
    updates = True
    born = "recorded_at"
    changed = "altered_at"
    sort_columns = {"effective": "at"}
    parameters = (
        subject(),
        subject("subject"),
        moment("effective", "When the dose was taken", "at"),
        coded(
            "status",
            "completed or entered-in-error",
            STATUS,
            {"completed": Q(withdrawn_at__isnull=True), "entered-in-error": Q(withdrawn_at__isnull=False)},
        ),
    )
    includes = ("patient", "subject")

    def rows(self, access: Access) -> QuerySet[Intake]:
        """Return the entries by hand that the person may see."""
        dated = Intake.objects.annotate(altered_at=Coalesce("withdrawn_at", "recorded_at"))
        entered = dated.filter(source=IntakeSource.MANUAL, regimen__isnull=False)
        return within_scope(entered.select_related("regimen__medication", "regimen__order"), access.scope(self.action))

    def updated_at(self, row: Intake) -> datetime:
        """Return when the entry was made, or taken back."""
        return row.withdrawn_at or row.recorded_at

    def render(self, row: Intake) -> Resource:
        """Return a MedicationStatement."""
        regimen = cast(Regimen, row.regimen)  # rows() leaves out what has none
        made: Resource = {
            "resourceType": "MedicationStatement",
            "id": str(row.pk),
            "basedOn": [refer("MedicationRequest", row.regimen_id)],
            "status": "entered-in-error" if row.withdrawn_at else "completed",
            "medicationCodeableConcept": medicine(regimen),
            "subject": refer("Patient", row.patient_id),
            "effectiveDateTime": as_utc(row.at),
            "dateAsserted": as_utc(row.recorded_at),
        }
        if row.recorded_by_id is not None:
            made["informationSource"] = practitioner(row.recorded_by_id)
        return made

    def entry(self, row: Intake) -> Entry:
        """Return the entry as it is."""
        return replace(super().entry(row), created=row.withdrawn_at is None)

    def history(self, access: Access, entry: Entry) -> list[Entry]:
        """Return the entry as it is, and as it was before it was taken back."""
        row = self.row(access, entry, "r")
        if row is None or row.withdrawn_at is None:
            return [entry]
        return [entry, *self._made([row])]

    def streams(self, access: Access) -> list[Stream]:
        """Return each entry as it was made, and as it was taken back."""
        visible = self.visible(access, "s")
        withdrawn = visible.filter(withdrawn_at__isnull=False)
        return [
            Stream(visible, "recorded_at", self._made, "withdrawn_at"),
            Stream(withdrawn, "withdrawn_at", lambda rows: [self.entry(row) for row in rows]),
        ]

    def _made(self, rows: Sequence[Intake]) -> list[Entry]:
        return [Entry({**self.render(row), "status": "completed"}, row.recorded_at, row.patient_id) for row in rows]

    def create(self, access: Access, resource: Resource) -> Entry:
        """Mark the dose as taken that the statement means."""
        if left := sorted(set(resource) - TAKEN_OVER):
            raise ResourceWrong(f"{left[0]} is not kept here.", expression=f"MedicationStatement.{left[0]}")
        if resource.get("status") != "completed":
            raise ResourceWrong("A new statement is completed.", expression="MedicationStatement.status")
        regimen = self._regimen(access, resource)
        at = _effective(resource)
        dose = _open_dose(regimen, at)
        take(dose=dose, user=access.user, now=access.now, at=min(at, access.now))
        return self.entry(self.rows(access).get(doses=dose))

    def _regimen(self, access: Access, resource: Resource) -> Regimen:
        """Return the regimen that `basedOn` names, if the person may record intakes of its patient."""
        named = resource.get("basedOn") or []
        text = named[0].get("reference", "") if len(named) == 1 else ""
        reference = parse_reference(text, f"{access.base}/") if text else None
        if reference is None or reference.type != "MedicationRequest":
            raise ResourceWrong(
                "A statement names one MedicationRequest of this server.", expression="MedicationStatement.basedOn"
            )
        mine = within_scope(Regimen.objects.select_related("medication", "order"), access.scope(RECORD))
        mine = access.narrow(mine, self.name, "c", "patient_id")
        regimen = mine.filter(pk=int_key(reference.id) or 0).first()
        if regimen is None:
            raise ResourceWrong(
                "There is no such MedicationRequest for which you may record.", expression="MedicationStatement.basedOn"
            )
        if resource["subject"].get("reference", "").removeprefix(f"{access.base}/") != f"Patient/{regimen.patient_id}":
            raise ResourceWrong(
                "The subject is not the patient of the MedicationRequest.", expression="MedicationStatement.subject"
            )
        if resource.get("medicationCodeableConcept", {}).get("text") != medicine(regimen)["text"]:
            raise ResourceWrong(
                "The medicine is not the one of the MedicationRequest, in its words.",
                expression="MedicationStatement.medicationCodeableConcept",
            )
        return regimen

    def update(self, access: Access, current: Entry, resource: Resource) -> Entry:
        """Take an entry back; nothing else of it can be changed."""
        same = validate(current.resource, self.name)  # written as the model writes what was sent
        wanted = {name: value for name, value in same.items() if name not in {"id", "status"}}
        given = {name: value for name, value in resource.items() if name != "status"}
        if resource.get("status") != "entered-in-error" or given != wanted:
            raise ResourceWrong(
                "Only the status of a statement can be changed, to entered-in-error; the rest is sent as it was read."
            )
        row = within_scope(Intake.objects.filter(pk=int(current.id)), access.scope(RECORD)).first()
        if row is None:
            raise ResourceNotFound
        undo_taken(intake=row, user=access.user, now=access.now)
        return self.entry(self.rows(access).get(pk=row.pk))


def _effective(resource: Resource) -> datetime:
    text = resource.get("effectiveDateTime", "")
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise ResourceWrong(
            "When the dose was taken is missing.", expression="MedicationStatement.effective"
        ) from error
    if at.tzinfo is None:
        raise ResourceWrong("A moment with its time zone is needed.", expression="MedicationStatement.effective")
    return at.astimezone(UTC)


def _open_dose(regimen: Regimen, at: datetime) -> ScheduledDose:
    """Return the unsettled dose whose window holds the moment, or closed before it less than twelve hours ago."""
    near = regimen.doses.filter(
        state__in=[state.value for state in UNSETTLED], opens_at__lte=at, closes_at__gte=at - LATE_UP_TO
    )
    dose = near.order_by("-due_at").first()
    if dose is None:
        raise ResourceWrong("No dose was open then.", expression="MedicationStatement.effective")
    return dose
