"""DiagnosticReport: what the house itself made of a study's raw data. Nobody has read it: it stays preliminary."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import LOINC, Resource, coding, concept, refer
from compliance.fhir.parameters import NEVER, as_utc, coded, day, moment, subject, uuid_key
from compliance.fhir.table import Table
from compliance.selectors import within_scope
from imaging.models import Series, SeriesKind, Study, StudyState

SECTION = "http://terminology.hl7.org/CodeSystem/v2-0074"
STATUS = "http://hl7.org/fhir/diagnostic-report-status"
IMAGING_STUDY = coding(LOINC, "18748-4", "Diagnostic imaging study")
MADE = (SeriesKind.ZERO_FILLED, SeriesKind.CG_SENSE)
UNREAD = "Reconstructed by software; nobody has read these images."


class DiagnosticReports(Table[Study]):
    """Reconstructed studies: how their images were made, with the study that holds them."""

    name = "DiagnosticReport"
    about = "A study that was reconstructed here: how, and from what. Preliminary, since nobody has read it."
    action = "imaging.view_study"
    born = "ready_at"
    changed = "ready_at"
    sort_columns = {"issued": "ready_at"}
    parameters = (
        subject(),
        subject("subject"),
        coded("code", "Always a diagnostic imaging study", LOINC, {"18748-4": ~NEVER}),
        coded("category", "Always radiology", SECTION, {"RAD": ~NEVER}),
        coded("status", "Always preliminary", STATUS, {"preliminary": ~NEVER}),
        day("date", "Day on which the study was taken", "taken_on", nullable=True),
        moment("issued", "When the images were ready", "ready_at"),
    )
    includes = ("patient", "subject")

    def key(self, text: str) -> UUID | None:
        """Return the UUID that an id writes."""
        return uuid_key(text)

    def rows(self, access: Access) -> QuerySet[Study]:
        """Return the studies with a reconstruction that the person may see."""
        made = Series.objects.filter(study=OuterRef("pk"), kind__in=MADE)
        ready = Study.objects.filter(
            Exists(made), state=StudyState.READY, patient__isnull=False, ready_at__isnull=False
        ).prefetch_related("series__instances")
        return within_scope(ready, access.scope(self.action))

    def synthetic(self, row: Study) -> bool:
        """Tell whether it is a made phantom."""
        return row.synthetic

    def render(self, row: Study) -> Resource:
        """Return a DiagnosticReport."""
        made: Resource = {
            "resourceType": "DiagnosticReport",
            "id": str(row.pk),
            "status": "preliminary",
            "category": [concept(coding(SECTION, "RAD", "Radiology"))],
            "code": concept(IMAGING_STUDY, text=row.description or "Reconstructed study"),
            "subject": refer("Patient", row.patient_id),
            "issued": as_utc(_ready(row)),
            "performer": [{"display": "Medtwin"}],
            "imagingStudy": [refer("ImagingStudy", row.pk)],
            "conclusion": " ".join([UNREAD, *_how(row)]),
        }
        return made | ({"effectiveDateTime": row.taken_on.isoformat()} if row.taken_on else {})


def _ready(row: Study) -> datetime:
    assert row.ready_at is not None, "rows() leaves out what is not ready"  # noqa: S101
    return row.ready_at


def _how(row: Study) -> list[str]:
    """Return how each reconstruction was made, each way once."""
    series = [one for one in row.series.all() if one.kind in MADE]
    told = [f"{one.get_kind_display()}: {image.note}." for one in series for image in one.instances.all() if image.note]
    return list(dict.fromkeys(told or [f"{one.get_kind_display()}." for one in series]))
