"""The part of Provenance that this package knows: who sent an Observation that was measured elsewhere."""

from __future__ import annotations

from django.db.models import QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Resource, refer
from compliance.fhir.parameters import int_key
from compliance.fhir.types.provenance_parts import CREATE, OfProvenance, author, parameters_of, provenance, target_of
from compliance.selectors import within_scope
from devices.models import ExternalObservation


def external_key(text: str) -> int | None:
    """Return the row that the id of an external observation names."""
    return int_key(text[1:]) if text.startswith("x") else None


class SentObservations(OfProvenance[ExternalObservation]):
    """Who sent an Observation. What our own devices measured names its device itself."""

    prefix = "x"
    action = "compliance.view_patient"
    born = changed = "received_at"
    parameters = parameters_of(target_of("Observation", "pk", external_key), "received_at")

    def rows(self, access: Access) -> QuerySet[ExternalObservation]:
        """Return what was measured elsewhere."""
        return within_scope(ExternalObservation.objects.all(), access.reach(self.action))

    def render(self, row: ExternalObservation) -> Resource:
        """Return a Provenance."""
        key, by = f"x{row.pk}", author(row.recorded_by_id)
        return provenance(key, refer("Observation", key), row.received_at, CREATE, by)
