"""Rows of bulk exports: make, lease, finish, cancel, expire. The files are `compliance.fhir.bulk`'s."""

from __future__ import annotations

import logging
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

from compliance.errors import DomainError
from compliance.keyring import field_box
from compliance.models import BulkExport, EventCategory, ExportFile, ExportState, Patient, User
from compliance.privacy.purposes import AccessPurpose
from compliance.services.accesses import record_access
from compliance.services.events import record_event

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=30)  # a killed worker is replaced after this long
MAX_ATTEMPTS = 4
KEEP = timedelta(hours=24)
MOST_UNFINISHED = 3
SIGN_OF_LIFE_EVERY_S = 1.0


class TooManyExports(DomainError):
    """Too many exports of yours are under way. Wait for one to finish, or cancel it."""

    code = "export_too_many"
    http_status = 429
    permanent = False


class ExportLeaseLost(DomainError):
    """Another worker took this export over, or it was cancelled."""

    code = "export_lease_lost"
    permanent = False


class ExportLease:
    """One worker's hold on one export."""

    def __init__(self, export: BulkExport, token: UUID) -> None:
        self.export = export
        self._token = token
        self._said_at = 0.0

    def keep(self, progress: str) -> None:
        """Show progress, at most once a second. Raises ExportLeaseLost."""
        if time.monotonic() - self._said_at >= SIGN_OF_LIFE_EVERY_S:
            self._said_at = time.monotonic()
            self._update(progress=progress[:100], lease_until=timezone.now() + LEASE)

    def note(self, **found: object) -> None:
        """Keep figures on the export while it runs. Raises ExportLeaseLost."""
        self._update(**found)

    def finish(self, files: list[ExportFile], patients: set[UUID]) -> None:
        """Store what came of it, noting for each patient that their record was taken. Raises ExportLeaseLost."""
        now = timezone.now()
        with transaction.atomic():
            changes = {} if self.export.patient_id else {"expires_at": now + KEEP}  # a copy's time is its own
            self._update(state=ExportState.DONE, lease=None, finished_at=now, progress="", **changes)
            ExportFile.objects.bulk_create(files)
            record_export(self.export, "export_finished", "A bulk export is ready.", files=len(files))
            token = self.export.token
            outside = token is not None and token.client is not None and token.client.shares_outside
            why = AccessPurpose.SHARE_EXTERNAL if outside else None
            what = "research_export" if self.export.deidentified else "bulk_export"
            for patient in Patient.objects.filter(pk__in=patients).iterator():
                record_access(user=self.export.user, patient=patient, what=what, purpose=why)

    def fail(self, error: DomainError) -> None:
        """Give up for good and say why."""
        with transaction.atomic():
            self._update(state=ExportState.FAILED, lease=None, finished_at=timezone.now(), error=error.message[:240])
            record_export(self.export, "export_failed", "A bulk export failed.", reason=error.code)

    def give_back(self) -> None:
        """Let it be tried again in a while; MAX_ATTEMPTS bounds how often."""
        self._update(state=ExportState.QUEUED, lease=None, lease_until=timezone.now() + LEASE)

    def _update(self, **changes: object) -> None:
        held = BulkExport.objects.filter(pk=self.export.pk, state=ExportState.RUNNING, lease=self._token)
        if held.update(**changes) != 1:
            raise ExportLeaseLost


def start_export(export: BulkExport) -> BulkExport:
    """Store an export and wake a worker after the commit. Raises TooManyExports."""
    unfinished = [ExportState.QUEUED, ExportState.RUNNING]
    with transaction.atomic():
        User.objects.select_for_update().get(pk=export.user_id)  # two requests at once are counted one after the other
        if BulkExport.objects.filter(user=export.user, state__in=unfinished).count() >= MOST_UNFINISHED:
            raise TooManyExports
        export.save(force_insert=True)
        record_export(export, "export_started", "A bulk export was asked for.", types=export.types)
        transaction.on_commit(lambda: wake(export.pk))
    return export


def remove_export(export: BulkExport, *, code: str = "export_removed") -> None:
    """Cancel an export or delete a finished one, files and all. Its worker finds out by itself."""
    with transaction.atomic():
        record_export(export, code, "A bulk export and its files were removed.")
        key = export.pk
        export.delete()
    shutil.rmtree(folder_of(key), ignore_errors=True)


def record_export(export: BulkExport, code: str, message: str, **detail: object) -> None:
    """Record an act on an export."""
    record_event(
        category=EventCategory.SECURITY,
        code=code,
        message=message,
        patient=export.patient,
        ward_id=export.ward_id,
        user=export.user,
        detail={
            "export": str(export.pk),
            "level": export.level,
            "token": export.token_id,
            "by_token": export.by_token,
            **detail,
        },
    )


def wake(export_id: UUID) -> None:
    """Ask a worker to look at an export. A dead broker is logged: `resume` asks again."""
    try:
        current_app.send_task("compliance.tasks.run_export", args=[str(export_id)], expires=60, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("no broker to wake a worker for export %s: %s", export_id, type(error).__name__)


def due() -> QuerySet[BulkExport]:
    """Return the exports that a worker may take now: waiting ones, and ones whose worker went silent."""
    now = timezone.now()
    waiting = Q(state=ExportState.QUEUED) & (Q(lease_until__isnull=True) | Q(lease_until__lte=now))
    return BulkExport.objects.filter(waiting | Q(state=ExportState.RUNNING, lease_until__lte=now))


def resume(*, now: datetime) -> None:
    """Wake a worker for every export that is due, and remove those that have expired."""
    for export_id in due().values_list("pk", flat=True)[:100]:
        wake(export_id)
    finished = [ExportState.DONE, ExportState.FAILED]
    for export in BulkExport.objects.filter(state__in=finished, expires_at__lte=now)[:100]:
        remove_export(export, code="export_expired")
    _sweep()


def _sweep() -> None:
    """Delete folders without an export: a cancelled one's worker may have written on for a moment."""
    root = Path(settings.EXPORTS_DIR)
    found = {path.name: path for path in root.iterdir()} if root.is_dir() else {}
    kept = {str(pk) for pk in BulkExport.objects.values_list("pk", flat=True)}
    for name, path in found.items():
        if name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def take(export_id: UUID) -> ExportLease | None:
    """Lease an export in one statement, which only one worker can win. One that killed its workers is given up."""
    token = uuid4()
    taken = (
        due()
        .filter(pk=export_id, attempts__lt=MAX_ATTEMPTS)
        .update(state=ExportState.RUNNING, lease=token, lease_until=timezone.now() + LEASE, attempts=F("attempts") + 1)
    )
    if taken:
        return ExportLease(
            BulkExport.objects.select_related("user", "token__client", "ward", "patient").get(pk=export_id), token
        )
    spent = due().filter(pk=export_id, attempts__gte=MAX_ATTEMPTS)
    words = "It was tried several times and did not finish; ask for less at once, with _type or _since."
    spent.update(state=ExportState.FAILED, lease=None, finished_at=timezone.now(), error=words)
    return None


def folder_of(export_id: UUID) -> Path:
    """Return where an export's files lie."""
    return Path(settings.EXPORTS_DIR) / str(export_id)


def path_of(file: ExportFile) -> Path:
    """Return where a file lies."""
    return folder_of(file.export_id) / f"{file.pk}.sealed"


def seal_key(key: bytes) -> bytes:
    """Return a file's key as it is stored."""
    return field_box("bulk-export").seal(key)


def key_of(file: ExportFile) -> bytes:
    """Return a file's key. Raises SecretUnreadable."""
    return field_box("bulk-export").open(bytes(file.key_sealed))
