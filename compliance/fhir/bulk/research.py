"""A de-identified export: the records of consenting people, without the people.

Safe Harbor (45 CFR 164.514(b)(2)), except that dates are moved and not cut to the year: docs/bulk-data.md says what
that means. Pseudonyms, ids and offsets are drawn for one export; which person has which stands nowhere.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from compliance.bulk import SealedLines
from compliance.bulk.sealed import KEY_BYTES
from compliance.deidentify import KINDS, Person, Suppressed, age_group, person_resource, project, suppress
from compliance.errors import DomainError
from compliance.fhir.access import Access
from compliance.fhir.bulk.kickoff import permitted
from compliance.fhir.errors import Forbidden, Gone, ResourceNotFound
from compliance.fhir.registry import registered
from compliance.fhir.searching import walk
from compliance.models import BulkExport, ExportFile, ExportLevel, Patient, User
from compliance.privacy.purposes import Purpose
from compliance.selectors import scope_for, within_scope
from compliance.selectors.consents import refusing_patients
from compliance.services.exports import KEEP, ExportLease, path_of, seal_key, start_export

ACTION = "compliance.export_deidentified"
REPORT = "Report"
LEAST_K, USUAL_K, MOST_K = 2, 5, 50
MOST_DAYS = 365
REMOVED = (
    "names; places smaller than the country; dates (moved for each person by a secret number of days); telephone, fax"
    " and e-mail; social security, record, plan, account and licence numbers; vehicles; devices and serial numbers;"
    " addresses of pages and machines; biometrics; pictures; any other number or code of a person; free text"
)


class SmallestGroupWrong(DomainError):
    """The smallest group is a whole number from 2 to 50."""

    code = "smallest_group_wrong"


def begin(access: Access, *, ward_id: int | None, k: int) -> BulkExport:
    """Store a de-identified export. Raises Forbidden, ResourceNotFound, SmallestGroupWrong, TooManyExports."""
    if not LEAST_K <= k <= MOST_K:
        raise SmallestGroupWrong(f"The smallest group is a whole number from {LEAST_K} to {MOST_K}.")
    require_research(access.user, ward_id)
    return start_export(
        BulkExport(
            user=access.user,
            base=access.base,
            request="de-identified",
            level=ExportLevel.GROUP if ward_id else ExportLevel.PATIENT,
            ward_id=ward_id,
            types=[name for name in KINDS if name in registered() and permitted(access, registered()[name])],
            smallest_group=k,
            started_at=access.now,
            expires_at=access.now + KEEP,
        )
    )


def require_research(user: User, ward_id: int | None) -> None:
    """Raise Forbidden unless the person may export for research, and ResourceNotFound for a ward not theirs."""
    reach = scope_for(user, ACTION, once_confirmed=True)
    if reach.empty:
        raise Forbidden
    if ward_id is not None and ward_id not in reach.ward_ids:
        raise ResourceNotFound


def write(lease: ExportLease, access: Access) -> tuple[list[ExportFile], set[UUID]]:
    """Write the files, and note on the export what was left out and who is in it."""
    export = lease.export
    require_research(export.user, export.ward_id)
    reach = _reach(export)
    refused = set(refusing_patients(Purpose.RESEARCH))
    asked = [patient for patient in reach.order_by() if patient.subject_key is not None]
    drawn = {patient.pk: _person(patient) for patient in asked if patient.pk not in refused}
    left = suppress(drawn.values(), export.smallest_group or USUAL_K)
    kept = set(left.kept)
    people = {pk: person for pk, person in drawn.items() if person in kept}
    report = _report(export, len(asked), len(asked) - len(drawn), left)
    lease.note(report=report, subjects=[str(pk) for pk in people])
    files = [_file(lease, "Patient", _shuffled([person_resource(person) for person in people.values()]))]
    for name in export.types:
        kind = registered()[name]
        if not permitted(access, kind):
            raise Forbidden(f"The right to {name} ended before the export was finished.")
        found = (
            project(entry.full(), people[entry.patient_id], secrets.token_hex(12))
            for entry in walk(access, kind)
            if entry.patient_id in people
        )
        files.append(_file(lease, name, found))
        report["rows"][name] = files[-1].lines
    lease.note(report=report)
    files.append(_file(lease, REPORT, iter([report])))
    return [file for file in files if file.lines], set(people)


def require_still_consenting(export: BulkExport) -> None:
    """Raise Gone when somebody in the files has refused research since, was erased, or left the reach of the one who
    asked: without that person a group may be too small, so that all of it goes."""
    require_research(export.user, export.ward_id)
    refused = {str(pk) for pk in refusing_patients(Purpose.RESEARCH)}
    there = _reach(export).filter(subject_key__isnull=False).values_list("pk", flat=True)
    if set(export.subjects) - {str(pk) for pk in there} or set(export.subjects) & refused:
        raise Gone("Somebody in this export may not be in it any longer. Start it again.")


def _reach(export: BulkExport) -> QuerySet[Patient]:
    reach = within_scope(Patient.objects.all(), scope_for(export.user, ACTION, once_confirmed=True), patient_field="")
    return reach.filter(ward=export.ward_id) if export.ward_id else reach


def _person(patient: Patient) -> Person:
    offset = secrets.choice([-1, 1]) * (1 + secrets.randbelow(MOST_DAYS))
    age = age_group(patient.age_years(timezone.now().date()))
    return Person(secrets.token_hex(12), offset, age, patient.sex)


def _shuffled(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    secrets.SystemRandom().shuffle(rows)  # the order of the table is the order of admission
    return iter(rows)


def _report(export: BulkExport, people: int, without_consent: int, left: Suppressed) -> dict[str, Any]:
    return {
        "made_on": timezone.now().date().isoformat(),
        "people_in_reach": people,
        "left_out_without_consent_to_research": without_consent,
        "left_out_in_groups_below_k": left.left_out,
        "people_exported": len(left.kept),
        "k": export.smallest_group,
        "groups": left.groups,
        "smallest_group": left.smallest,
        "quasi_identifiers": ["age group of ten years, 90 and over as one", "administrative sex"],
        "dates": "moved for each person by a secret number of whole days; intervals within a person are kept",
        "removed": REMOVED,
        "rows": {"Patient": len(left.kept)},
    }


def _file(lease: ExportLease, name: str, rows: Iterator[dict[str, Any]]) -> ExportFile:
    key = os.urandom(KEY_BYTES)
    file = ExportFile(export=lease.export, type=name, number=1, key_sealed=seal_key(key))
    lines = SealedLines(path_of(file), key)
    try:
        for row in rows:
            lines.write(json.dumps(row, separators=(",", ":")).encode())
            lease.keep(f"{name}, {lines.lines} records")
        lines.close()
    except BaseException:
        lines.discard()
        raise
    file.lines = lines.lines
    return file
