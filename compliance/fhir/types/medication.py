"""MedicationRequest: a regimen. MedicationAdministration: one of its doses, once it is settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db.models import (
    Case,
    DateTimeField,
    ExpressionWrapper,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    When,
)
from django.db.models.functions import Cast, Coalesce, Greatest, Now, TruncDate

from compliance.adherence.measures import SWALLOWED, DoseState
from compliance.fhir.access import Access
from compliance.fhir.entries import Entry, Resource, coding, concept, quantity, refer
from compliance.fhir.parameters import NEVER, as_utc, coded, int_key, link, moment, subject
from compliance.fhir.streams import Stream
from compliance.fhir.table import Table
from compliance.fhir.types.staff import practitioner
from compliance.models import Administration, Outcome, Regimen, ScheduledDose
from compliance.orders.units import Unit
from compliance.selectors import within_scope

REQUEST_STATUS = "http://hl7.org/fhir/CodeSystem/medicationrequest-status"
ADMINISTRATION_STATUS = "http://terminology.hl7.org/CodeSystem/medication-admin-status"
ATC = "http://www.whocc.no/atc"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SETTLED = [state.value for state in DoseState if state is not DoseState.PENDING]
TAKEN = sorted(state.value for state in SWALLOWED)


def medicine(regimen: Regimen) -> Resource:
    """Return the medicine in words, with its ATC code where it was ordered from the formulary."""
    order = getattr(regimen, "order", None)
    codes = [coding(ATC, order.atc)] if order is not None and order.atc else []
    return concept(*codes, text=f"{regimen.medication} {regimen.medication.form}")


def dose_quantity(regimen: Regimen) -> Resource:
    """Return how much one dose is: as ordered, or in units of the form."""
    order = getattr(regimen, "order", None)
    if order is not None:
        return quantity(order.dose, Unit(order.unit).label, order.unit)
    form = regimen.medication.form
    return quantity(regimen.units_per_dose, form, "{" + "".join(c for c in form if c.isalnum()) + "}")


OVER = Q(ends_on__isnull=False, ends_on__lt=TruncDate(Now(), tzinfo=UTC))
ENDED = Q(ended_at__isnull=False)  # of regimens that are dated
DAY_AFTER = ExpressionWrapper(F("ends_on") + timedelta(days=1), output_field=DateTimeField())


def dated(rows: QuerySet[Regimen]) -> QuerySet[Regimen]:
    """Return regimens with `ended_at`, null while they hold, and `altered_at`, when one was written or ended."""
    ended = Case(
        When(stopped_at__isnull=False, then=Greatest("stopped_at", "recorded_at")),
        When(OVER, then=Greatest(Cast(DAY_AFTER, DateTimeField()), "recorded_at")),
        output_field=DateTimeField(),
    )
    return rows.annotate(ended_at=ended).annotate(altered_at=Coalesce("ended_at", "recorded_at"))


class MedicationRequests(Table[Regimen]):
    """Regimens: what is to be taken when."""

    name = "MedicationRequest"
    about = "A regimen: one medicine for one patient, with its clock times. Completed once its last day is over."
    action = "compliance.view_adherence"
    history_kept = True
    versions = "A second version when it ends. A changed order is another MedicationRequest."
    born = "recorded_at"
    changed = "altered_at"
    parameters = (
        subject(),
        subject("subject"),
        coded(
            "status",
            "active, completed or stopped",
            REQUEST_STATUS,
            {
                "active": Q(stopped_at__isnull=True) & ~OVER,
                "completed": Q(stopped_at__isnull=True) & OVER,
                "stopped": Q(stopped_at__isnull=False),
            },
        ),
        coded("intent", "Always order", "http://hl7.org/fhir/CodeSystem/medicationrequest-intent", {"order": ~NEVER}),
    )
    includes = ("patient", "subject")

    def rows(self, access: Access) -> QuerySet[Regimen]:
        """Return the regimens whose adherence the person may see."""
        related = dated(Regimen.objects.select_related("medication", "order"))
        return within_scope(related, access.scope(self.action))

    def entry(self, row: Regimen) -> Entry:
        """Return the regimen as it is."""
        ended = row.ended_at is not None  # type: ignore[attr-defined]
        return replace(super().entry(row), created=not ended)

    def history(self, access: Access, entry: Entry) -> list[Entry]:
        """Return the regimen as it is, and as it was before it ended."""
        row = self.row(access, entry, "r")
        if row is None or entry.created:
            return [entry]
        return [entry, *self._written([row])]

    def streams(self, access: Access) -> list[Stream]:
        """Return each regimen as it was written, and as it ended."""
        visible = self.visible(access, "s")
        ended = visible.filter(ENDED)
        return [
            Stream(visible, "recorded_at", self._written, "ended_at"),
            Stream(ended, "ended_at", lambda rows: [self.entry(row) for row in rows]),
        ]

    def _written(self, rows: Sequence[Regimen]) -> list[Entry]:
        return [Entry({**self.render(row), "status": "active"}, row.recorded_at, row.patient_id) for row in rows]

    def render(self, row: Regimen) -> Resource:
        """Return a MedicationRequest."""
        made: Resource = {
            "resourceType": "MedicationRequest",
            "id": str(row.pk),
            "status": _status(row),
            "intent": "order",
            "medicationCodeableConcept": medicine(row),
            "subject": refer("Patient", row.patient_id),
            "dosageInstruction": [
                {
                    "timing": {"repeat": _repeat(row)},
                    "doseAndRate": [{"doseQuantity": dose_quantity(row)}],
                }
            ],
        }
        order = getattr(row, "order", None)
        if order is not None:
            made["authoredOn"] = as_utc(order.prescribed_at)
            if order.prescribed_by_id is not None:
                made["requester"] = practitioner(order.prescribed_by_id)
        return made


def _status(row: Regimen) -> str:
    if row.stopped_at is not None:
        return "stopped"
    return "completed" if row.ends_on is not None and row.ends_on < datetime.now(tz=UTC).date() else "active"


def _repeat(row: Regimen) -> Resource:
    bounds = {"start": row.starts_on.isoformat()} | ({"end": row.ends_on.isoformat()} if row.ends_on else {})
    repeat: Resource = {
        "boundsPeriod": bounds,
        "frequency": len(row.times),
        "period": 1,
        "periodUnit": "d",
        "timeOfDay": [f"{clock[:5]}:00" for clock in row.times],
    }
    if row.weekdays is not None:
        repeat["dayOfWeek"] = [DAYS[number] for number in row.weekdays]
    return repeat


CURRENT = (
    Administration.objects.filter(corrected_by__isnull=True).exclude(outcome=Outcome.VOID).order_by("-recorded_at")
)


class MedicationAdministrations(Table[ScheduledDose]):
    """Doses that were taken, late, missed or cancelled; one still to come is no administration."""

    name = "MedicationAdministration"
    about = (
        "A dose that was due, as it was recorded or corrected: completed when taken, not-done when missed or cancelled."
    )
    action = "compliance.view_adherence"
    changed = "altered_at"
    born = "altered_at"
    sort_columns = {"effective-time": "happened_at"}
    parameters = (
        subject(),
        subject("subject"),
        link("request", "The regimen", "MedicationRequest", "regimen_id", "request", int_key),
        moment("effective-time", "When it was taken, or was due", "happened_at"),
        coded(
            "status",
            "completed or not-done",
            ADMINISTRATION_STATUS,
            {"completed": Q(state__in=TAKEN), "not-done": Q(state__in=sorted({*SETTLED} - {*TAKEN}))},
        ),
    )
    includes = ("patient", "subject", "request")

    def rows(self, access: Access) -> QuerySet[ScheduledDose]:
        """Return the settled doses that the person may see."""
        settled = ScheduledDose.objects.filter(state__in=SETTLED).select_related(
            "regimen__medication", "regimen__order", "intake"
        )
        records = Administration.objects.filter(dose=OuterRef("pk")).order_by("-recorded_at")
        given = records.filter(outcome=Outcome.GIVEN, corrected_by__isnull=True)
        dated = settled.annotate(
            happened_at=Coalesce(Subquery(given.values("at")[:1]), "intake__at", "due_at"),
            altered_at=Greatest("changed_at", Coalesce(Subquery(records.values("recorded_at")[:1]), "changed_at")),
        ).prefetch_related(Prefetch("administrations", CURRENT, to_attr="records"))
        return within_scope(dated, access.scope(self.action))

    def synthetic(self, row: ScheduledDose) -> bool:
        """Tell whether a generator made the dose."""
        return row.synthetic

    def render(self, row: ScheduledDose) -> Resource:
        """Return a MedicationAdministration: as it was recorded, corrections included, or else as it was planned."""
        taken = row.state in SWALLOWED
        record = _record_of(row, taken)
        made: Resource = {
            "resourceType": "MedicationAdministration",
            "id": str(row.pk),
            "status": "completed" if taken else "not-done",
            "medicationCodeableConcept": medicine(row.regimen),
            "subject": refer("Patient", row.patient_id),
            "effectiveDateTime": as_utc(row.happened_at),  # type: ignore[attr-defined]
            "request": refer("MedicationRequest", row.regimen_id),
        }
        if record is not None and record.recorded_by_id is not None:
            made["performer"] = [{"actor": practitioner(record.recorded_by_id)}]
        if not taken:
            return made | {"statusReason": [concept(text=record.get_reason_display() if record else row.state)]}
        if record is None:
            return made | {"dosage": {"dose": dose_quantity(row.regimen)}}
        return made | {"dosage": {"dose": quantity(record.amount, Unit(record.order.unit).label, record.order.unit)}}


def _record_of(row: ScheduledDose, taken: bool) -> Administration | None:
    """Return the entry that holds about a dose, if people recorded what became of it."""
    records: list[Administration] = row.records  # type: ignore[attr-defined]
    return next((record for record in records if (record.outcome == Outcome.GIVEN) == taken), None)
