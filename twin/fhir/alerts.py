"""DetectedIssue: an alert, from the reading that raised it until it is over."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Greatest

from compliance.fhir.access import Access
from compliance.fhir.entries import Resource, concept, refer
from compliance.fhir.parameters import as_utc, coded, identifier, moment, subject
from compliance.fhir.table import Table
from compliance.fhir.types.staff import practitioner
from compliance.selectors import within_scope
from twin.alerts.priority import Priority
from twin.models import Alert, AlertState

STATUS, RULE = "http://hl7.org/fhir/observation-status", "urn:medtwin:alert-rule"
SEVERITY = "http://hl7.org/fhir/detectedissue-severity"
SEVERITIES = {Priority.HIGH: "high", Priority.MEDIUM: "moderate", Priority.LOW: "low"}


class DetectedIssues(Table[Alert]):
    """Alerts; preliminary while they last, final once they are over."""

    name = "DetectedIssue"
    about = "An alert: preliminary while its condition lasts, final once it is resolved."
    action = "twin.view_alert"
    born = "raised_at"
    changed = "altered_at"
    sort_columns = {"identified": "raised_at"}
    parameters = (
        subject(path="patient"),
        identifier("code", "Rule that raised it", RULE, "rule"),
        moment("identified", "When it was raised", "raised_at"),
        coded(
            "status",
            "preliminary or final",
            STATUS,
            {"final": Q(state=AlertState.RESOLVED), "preliminary": ~Q(state=AlertState.RESOLVED)},
        ),
        coded("severity", "high, moderate or low", SEVERITY, {code: Q(priority=p) for p, code in SEVERITIES.items()}),
    )
    includes = ("patient",)

    def rows(self, access: Access) -> QuerySet[Alert]:
        """Return the alerts that the person may see."""
        last = [Coalesce(column, "raised_at") for column in ("opened_at", "acknowledged_at", "resolved_at")]
        return within_scope(Alert.objects.annotate(altered_at=Greatest(*last)), access.scope(self.action))

    def updated_at(self, row: Alert) -> datetime:
        """Return when something last happened to it."""
        return max(at for at in (row.raised_at, row.opened_at, row.acknowledged_at, row.resolved_at) if at)

    def render(self, row: Alert) -> Resource:
        """Return a DetectedIssue."""
        made: Resource = {
            "resourceType": "DetectedIssue",
            "id": str(row.pk),
            "status": "final" if row.state == AlertState.RESOLVED else "preliminary",
            "code": concept({"system": RULE, "code": row.rule}, text=row.rule.partition(":")[0].replace("_", " ")),
            "severity": SEVERITIES[Priority(row.priority)],
            "patient": refer("Patient", row.patient_id),
            "identifiedDateTime": as_utc(row.raised_at),
            "detail": row.message,
        }
        if row.device_id is not None:
            made["implicated"] = [refer("Device", row.device_id)]
        if row.acknowledged_at is not None:
            done: Resource = {"action": concept(text="acknowledged"), "date": as_utc(row.acknowledged_at)}
            if row.acknowledged_by_id is not None:
                done["author"] = practitioner(row.acknowledged_by_id)
            made["mitigation"] = [done]
        return made
