"""ImagingStudy: what a study holds. Pixels are not served here."""

from __future__ import annotations

from datetime import datetime
from typing import cast
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from compliance.fhir.access import Access
from compliance.fhir.entries import Resource, coding, refer
from compliance.fhir.parameters import NEVER, Kind, Parameter, coded, day, identifier, subject, uuid_key
from compliance.fhir.table import Table
from compliance.fhir.values import Token, Value
from compliance.selectors import within_scope
from imaging.models import Series, Study, StudyState

DICOM_UID, DCM = "urn:dicom:uid", "http://dicom.nema.org/resources/ontology/DCM"
STATUS = "http://hl7.org/fhir/imagingstudy-status"
STATUSES = {StudyState.READY: "available", StudyState.SET_ASIDE: "cancelled"}
# DICOM's class of an image that says nothing of its modality; the archive keeps pixels, not the objects they came in.
SECONDARY_CAPTURE = "urn:oid:1.2.840.10008.5.1.4.1.1.7"


def _uid(value: Value, _modifier: str) -> Q:
    token = cast(Token, value)
    return Q(study_uid=token.code.removeprefix("urn:oid:")) if token.system in {None, DICOM_UID} else NEVER


class ImagingStudies(Table[Study]):
    """Studies that are assigned to a patient."""

    name = "ImagingStudy"
    about = "A study with its series and instances: registered on its way, available once it was opened and archived."
    action = "imaging.view_study"
    born = "received_at"
    changed = "altered_at"
    sort_columns = {"received": "received_at"}
    parameters = (
        subject(),
        subject("subject"),
        Parameter(name="identifier", kind=Kind.TOKEN, about="Study instance UID", condition=_uid),
        identifier("modality", "Modality of the study", DCM, "modality"),
        day("started", "Day on which it was taken", "taken_on", nullable=True),
        coded(
            "status",
            "registered, available or cancelled",
            STATUS,
            {
                "available": Q(state=StudyState.READY),
                "cancelled": Q(state=StudyState.SET_ASIDE),
                "registered": ~Q(state__in=list(STATUSES)),
            },
        ),
    )
    includes = ("patient", "subject")

    def key(self, text: str) -> UUID | None:
        """Return the UUID that an id writes."""
        return uuid_key(text)

    def rows(self, access: Access) -> QuerySet[Study]:
        """Return the studies that the person may see."""
        dated = Study.objects.annotate(altered_at=Coalesce("ready_at", "received_at"))
        assigned = dated.filter(patient__isnull=False).prefetch_related("series__instances")
        return within_scope(assigned, access.scope(self.action))

    def updated_at(self, row: Study) -> datetime:
        """Return when it became ready, or came in."""
        return row.ready_at or row.received_at

    def synthetic(self, row: Study) -> bool:
        """Tell whether it is a made phantom."""
        return row.synthetic

    def render(self, row: Study) -> Resource:
        """Return an ImagingStudy."""
        series = list(row.series.all())
        made: Resource = {
            "resourceType": "ImagingStudy",
            "id": str(row.pk),
            "status": STATUSES.get(StudyState(row.state), "registered"),
            "subject": refer("Patient", row.patient_id),
            "numberOfSeries": len(series),
            "numberOfInstances": sum(len(one.instances.all()) for one in series),
        }
        if row.study_uid:
            made["identifier"] = [{"system": DICOM_UID, "value": f"urn:oid:{row.study_uid}"}]
        if row.modality:
            made["modality"] = [coding(DCM, row.modality)]
        if row.taken_on:
            made["started"] = row.taken_on.isoformat()
        if row.description:
            made["description"] = row.description
        return made | ({"series": [_series(one, row) for one in series]} if series else {})


def _series(series: Series, study: Study) -> Resource:
    instances = [
        {
            "uid": one.sop_uid,
            "sopClass": {"system": "urn:ietf:rfc:3986", "code": SECONDARY_CAPTURE},
            "number": one.number,
        }
        for one in series.instances.all()
    ]
    made: Resource = {
        "uid": series.series_uid,
        "number": max(series.number, 0),
        "modality": coding(DCM, series.modality or study.modality or "OT"),
        "numberOfInstances": len(instances),
    }
    if series.description:
        made["description"] = series.description
    return made | ({"instance": instances} if instances else {})
