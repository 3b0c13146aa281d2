"""Copies of one patient's record: ask for one, who may, and note that one was taken away.

A copy is a bulk export of one person: the same leased row, worker, sealed files and expiry.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from compliance.bulk import read_bytes
from compliance.errors import DomainError, NotFound
from compliance.models import BulkExport, EventCategory, ExportLevel, ExportState, Patient, User
from compliance.privacy.purposes import AccessPurpose
from compliance.selectors import decision_on
from compliance.services.accesses import purpose_of, record_access
from compliance.services.events import record_event
from compliance.services.exports import key_of, path_of, start_export

OWN, FOR_OTHERS = "compliance.export_record", "compliance.manage_privacy"
KEEP = timedelta(days=7)
MOST_KEPT = 3
MOST_A_DAY = 6


class TooManyCopies(DomainError):
    """There is a copy under way, or enough of them are kept. Wait for it, take it away, or remove one first."""

    code = "copies_too_many"
    http_status = 429
    permanent = False


class CopyGone(DomainError):
    """This copy is not there any longer: copies are kept for seven days. Ask for a new one."""

    code = "copy_gone"
    http_status = 410


def may_copy(user: User, patient: Patient) -> bool:
    """Tell whether `user` may have a copy made: of the own record, or on behalf of a patient who asked.

    A page may be seen on this alone; whatever makes or hands out a copy asks for a fresh second factor besides.
    """
    if not user.is_active:
        return False
    what = patient.policy_resource()
    own = user.own_patient_id == patient.pk and decision_on(user, OWN, what).allowed
    return own or decision_on(user, FOR_OTHERS, what).allowed


def copies_of(user: User, patient: Patient) -> QuerySet[BulkExport]:
    """Return the copies of a record that `user` asked for. Nobody, not even the patient, takes away another's."""
    return BulkExport.objects.filter(user=user, patient=patient, level=ExportLevel.RECORD).prefetch_related("files")


def start_copy(*, user: User, patient: Patient, base: str, now: datetime) -> BulkExport:
    """Store the wish for a copy and wake a worker. Raises NotFound without the right, and TooManyCopies."""
    if not may_copy(user, patient):
        raise NotFound
    with transaction.atomic():
        Patient.objects.select_for_update().get(pk=patient.pk)  # two at once are counted one after the other
        mine = BulkExport.objects.filter(patient=patient, level=ExportLevel.RECORD)
        unfinished = mine.filter(state__in=[ExportState.QUEUED, ExportState.RUNNING]).exists()
        today = mine.filter(user=user, started_at__gt=now - timedelta(days=1)).count()
        if unfinished or mine.filter(user=user).count() >= MOST_KEPT or today >= MOST_A_DAY:
            raise TooManyCopies
        export = BulkExport(
            user=user, patient=patient, ward_id=patient.ward_id, base=base, request="", level=ExportLevel.RECORD,
            types=["record"], started_at=now, expires_at=now + KEEP,
        )  # fmt: skip
        return start_export(export)


def take_copy(*, export: BulkExport, user: User, now: datetime) -> Iterator[bytes]:
    """Note that a copy leaves the house, and return it as a stream.

    Raises NotFound for another's or when the right ended, and CopyGone for one that is not ready or has expired.
    """
    patient = export.patient
    if patient is None or export.user_id != user.pk or not may_copy(user, patient):
        raise NotFound
    file = export.files.first()
    if export.state != ExportState.DONE or export.expires_at <= now or file is None:
        raise CopyGone
    own = user.own_patient_id == patient.pk
    with transaction.atomic():
        record_event(
            category=EventCategory.SECURITY,
            code="record_exported",
            message="A copy of a record was taken away.",
            patient=patient,
            user=user,
            detail={"export": str(export.pk), "purpose": (AccessPurpose.OWN if own else purpose_of(user)).value},
        )
        record_access(user=user, patient=patient, what="record_export")
    return read_bytes(path_of(file), key_of(file))
