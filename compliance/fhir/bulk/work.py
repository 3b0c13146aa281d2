"""What a worker does: walk every type as the one who asked, line by line into sealed files."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from uuid import UUID

from compliance.bulk import SealedLines
from compliance.bulk.sealed import KEY_BYTES
from compliance.copies.work import write_copy
from compliance.errors import DomainError
from compliance.fhir.access import Access
from compliance.fhir.authentication import withheld_from
from compliance.fhir.bulk import research
from compliance.fhir.bulk.kickoff import permitted, require_right
from compliance.fhir.entries import Entry
from compliance.fhir.errors import Forbidden
from compliance.fhir.parameters import Criterion
from compliance.fhir.query import read_query
from compliance.fhir.registry import ResourceType, registered
from compliance.fhir.scopes import parse_scope
from compliance.fhir.searching import walk
from compliance.models import BulkExport, ExportFile, ExportLevel, Patient
from compliance.policy.asking import asking
from compliance.services.exports import ExportLease, ExportLeaseLost, path_of, seal_key, take

log = logging.getLogger(__name__)
LINES_PER_FILE = 100_000
NOBODY = "-"


def run_export(export_id: UUID) -> None:
    """Do one export, if it is due and nobody else does it. Every failure ends in a row with its reason."""
    lease = take(export_id)
    if lease is None:
        return
    try:
        with asking(fresh=lambda: True):  # it was proved at the kick-off
            if lease.export.level == ExportLevel.RECORD:
                lease.finish(write_copy(lease), set())
            else:
                lease.finish(*_write_all(lease))
    except ExportLeaseLost:
        log.info("export %s was taken over or cancelled", export_id)
    except DomainError as error:
        lease.fail(error)
    except Exception:  # a full disk, a bug: tried again a few times, and never in the way of others
        log.exception("export %s failed", export_id)
        lease.give_back()


def access_of(export: BulkExport) -> Access:
    """Return the access with which the export was asked for, as it stands now. Raises Forbidden when it ended."""
    token = export.token
    revoked = token is not None and (
        token.revoked_at is not None or (token.client is not None and token.client.revoked_at is not None)
    )
    if not export.user.is_active or revoked or (export.by_token and token is None):
        raise Forbidden("The right to this export ended before it was finished.")
    scopes = tuple(parse_scope(word) for word in export.scopes.split()) if export.by_token else None
    return Access(
        user=export.user,
        scopes=scopes,
        now=export.started_at,
        base=export.base,
        token_id=export.token_id,
        patient_id=token.patient_id if token is not None else None,
        withheld=withheld_from(token),
    )


def _write_all(lease: ExportLease) -> tuple[list[ExportFile], set[UUID]]:
    export = lease.export
    access = access_of(export)
    if export.deidentified:
        return research.write(lease, access)
    require_right(access, export.level, export.ward_id)
    files: list[ExportFile] = []
    patients: set[UUID] = set()
    for place, name in enumerate(export.types, start=1):
        kind = registered()[name]
        if not permitted(access, kind):
            raise Forbidden(f"The right to {name} ended before the export was finished.")
        entries = _kept(export, walk(access, kind, _criteria(access, kind, export)))
        files += _write_type(lease, name, f"{name}, {place} of {len(export.types)} types", entries, patients)
    return files, patients


def _criteria(access: Access, kind: ResourceType, export: BulkExport) -> tuple[Criterion, ...]:
    if export.since is None or not kind.dated:
        return ()
    since = (("_lastUpdated", f"ge{export.since.isoformat()}"),)
    return read_query(kind, since, base=f"{access.base}/", strict=True).criteria


def _kept(export: BulkExport, entries: Iterator[Entry]) -> Iterator[Entry]:
    """Keep what the level asks for. The ward is the one of now: who was moved away has left the group."""
    if export.level == ExportLevel.SYSTEM:
        yield from entries
        return
    of_ward = Patient.objects.filter(ward=export.ward_id).values_list("pk", flat=True) if export.ward_id else None
    members = None if of_ward is None else set(of_ward)
    for entry in entries:
        if entry.patient_id is not None and (members is None or entry.patient_id in members):
            yield entry


def _write_type(
    lease: ExportLease, name: str, where: str, entries: Iterator[Entry], patients: set[UUID]
) -> list[ExportFile]:
    """Write one type into as many files as it needs; a type without resources makes none."""
    made: list[ExportFile] = []
    first = next(entries, None)
    while first is not None:
        key = os.urandom(KEY_BYTES)
        file = ExportFile(export=lease.export, type=name, number=len(made) + 1, key_sealed=seal_key(key))
        lines = SealedLines(path_of(file), key)
        try:
            first = _fill(lease, lines, where, first, entries, patients)
            lines.close()
        except BaseException:
            lines.discard()
            raise
        file.lines = lines.lines
        made.append(file)
    return made


def _fill(
    lease: ExportLease, lines: SealedLines, where: str, first: Entry, entries: Iterator[Entry], patients: set[UUID]
) -> Entry | None:
    """Write lines until the file is full; return the first that did not fit."""
    entry: Entry | None = first
    while entry is not None and lines.lines < LINES_PER_FILE:
        lines.write(line_of(entry))
        if entry.patient_id is not None:
            patients.add(entry.patient_id)
        lease.keep(f"{where}, {lines.lines} records")
        entry = next(entries, None)
    return entry


def line_of(entry: Entry) -> bytes:
    """Return a line as kept: patient, id, resource. The first two decide at the download and do not go out."""
    content = json.dumps(entry.full(), ensure_ascii=False, separators=(",", ":"))
    return f"{entry.patient_id or NOBODY} {entry.id} {content}".encode()
