"""AuditEvent: what happened that is worth evidence, accesses through this API among it."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Resource, coding, refer
from compliance.fhir.parameters import as_utc, coded, identifier, link, moment
from compliance.fhir.table import Table
from compliance.fhir.types.staff import device, practitioner
from compliance.models import Event, EventCategory
from compliance.selectors import within_scope
from compliance.selectors.log_reading import CLINICAL_RIGHT

CATEGORY, CODE = "urn:medtwin:event-category", "urn:medtwin:event"


class AuditEvents(Table[Event]):
    """Named events as AuditEvents; they are never changed."""

    name = "AuditEvent"
    about = "A named event: accesses, refusals, acts. Written by the house itself, never through this API."
    action = "compliance.view_log"
    history_kept = True
    versions = "One: an event is never changed."
    born = "at"
    changed = "at"
    sort_columns = {"date": "at"}
    parameters = (
        link("patient", "Whose record it concerns", "Patient", "patient_id", "entity.what"),
        moment("date", "When it happened", "at"),
        identifier("subtype", "Name of the event", CODE, "code"),
        coded("type", "Category", CATEGORY, {one.value: Q(category=one.value) for one in EventCategory}),
    )
    includes = ("patient",)

    def rows(self, access: Access) -> QuerySet[Event]:
        """Return the events that the person may see: of care only where the person may see the medication."""
        visible = within_scope(Event.objects.all(), access.scope(self.action), ward_field="ward_id")
        of_care = within_scope(Event.objects.all(), access.reach(CLINICAL_RIGHT), ward_field="ward_id")
        hidden = Q(category=EventCategory.CLINICAL, patient__isnull=False) & ~Q(pk__in=of_care.values("pk"))
        return visible.exclude(hidden)

    def render(self, row: Event) -> Resource:
        """Return an AuditEvent."""
        made: Resource = {
            "resourceType": "AuditEvent",
            "id": str(row.pk),
            "type": coding(CATEGORY, row.category),
            "subtype": [coding(CODE, row.code)],
            "recorded": as_utc(row.at),
            "outcomeDesc": row.message,
            "agent": [_agent(row)],
            "source": {"observer": {"display": "Medtwin"}},
        }
        if row.patient_id is not None:
            made["entity"] = [{"what": refer("Patient", row.patient_id)}]
        return made


def _agent(row: Event) -> Resource:
    if row.user_id is not None:
        return {"who": practitioner(row.user_id), "requestor": True}
    if row.device_id is not None:
        return {"who": device(row.device_id), "requestor": False}
    return {"who": {"display": "Medtwin"}, "requestor": False}
