"""The ground floor's parts of a copy: the record as FHIR, decisions, who looked, requests, and the log with proofs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from zoneinfo import ZoneInfo

from compliance.copies.archive import CopyArchive
from compliance.copies.registry import Asked, register_part
from compliance.errors import DomainError
from compliance.fhir.access import Access
from compliance.fhir.registry import ResourceType, registered
from compliance.fhir.searching import walk
from compliance.models import EmergencyAccess, Intake, LogEntry, PrivacyRequest, ScheduledDose
from compliance.selectors.accesses import disclosures_of
from compliance.selectors.consents import consent_history
from compliance.selectors.corrections import corrections_of
from compliance.services.proofs import MOST_ENTRIES, About, bundle_of
from compliance.views.privacy_words import look_of

MOST_OBSERVATIONS = 20_000  # as resources; every one of them stands in the table of readings


def register_parts() -> None:
    """Register them."""
    register_part("record", _fhir)
    register_part("medication", _medication)
    register_part("decisions", _decisions)
    register_part("looks", _looks)
    register_part("emergencies", _emergencies)
    register_part("requests", _requests)
    register_part("corrections", _corrections)
    register_part("log", _log)


def _fhir(asked: Asked, archive: CopyArchive) -> None:
    access = Access(asked.by, None, asked.at, asked.base, own=asked.patient.pk)
    for kind in registered().values():
        most = MOST_OBSERVATIONS if kind.name == "Observation" else None
        count = archive.ndjson(
            f"fhir/{kind.name}.ndjson", f"{kind.name} resources (FHIR R4)", _resources(asked, access, kind, most)
        )
        if most is not None and count >= most:
            archive.note(
                f"As FHIR resources the newest {most:,} measurements are here; readings.csv holds every one of them."
            )


def _resources(asked: Asked, access: Access, kind: ResourceType, most: int | None) -> Iterator[object]:
    mine = (entry.full() for entry in walk(access, kind) if entry.patient_id in {asked.patient.pk, None})
    return islice(mine, most)


def _medication(asked: Asked, archive: CopyArchive) -> None:
    doses = ScheduledDose.objects.filter(patient=asked.patient).select_related("regimen__medication")
    rows = ((dose.due_at.isoformat(), str(dose.regimen.medication), dose.state) for dose in doses.order_by("due_at"))
    archive.csv("planned-doses.csv", "Planned doses and what became of them", ("due_at", "medicine", "state"), rows)
    taken = Intake.objects.filter(patient=asked.patient).order_by("at")
    seen = ((row.at.isoformat(), row.source, row.finding, row.confidence, row.withdrawn_at or "") for row in taken)
    head = ("at", "source", "finding", "confidence", "taken_back_at")
    archive.csv("intakes.csv", "Doses that were seen or entered", head, seen)


def _emergencies(asked: Asked, archive: CopyArchive) -> None:
    found = EmergencyAccess.objects.filter(patient=asked.patient).select_related("user").order_by("opened_at")
    rows = (
        (row.opened_at.isoformat(), row.ends_at.isoformat(), row.user.display_name, row.reason_words, row.justified)
        for row in found
    )
    head = ("from", "to", "who", "reason", "judged_justified")
    archive.csv("emergency-accesses.csv", "Emergency accesses to your record", head, rows)


def _decisions(asked: Asked, archive: CopyArchive) -> None:
    rows = (
        (row.at.isoformat(), row.purpose, "allowed" if row.given else "refused", row.how, row.text_version)
        for row in consent_history(asked.patient)
    )
    archive.csv("decisions.csv", "Your decisions about uses", ("when", "use", "decision", "how", "wording"), rows)


def _looks(asked: Asked, archive: CopyArchive) -> None:
    zone = ZoneInfo(asked.patient.time_zone)
    looks = (look_of(row, zone) for row in disclosures_of(asked.patient).iterator())
    rows = ((look.at.isoformat(), look.who, look.role, look.what, look.why) for look in looks)
    archive.csv("who-looked.csv", "Who looked at your record", ("when", "who", "role", "what", "purpose"), rows)


def _requests(asked: Asked, archive: CopyArchive) -> None:
    found = PrivacyRequest.objects.filter(patient=asked.patient).order_by("asked_at")
    rows = ((row.asked_at.isoformat(), row.kind, row.state, row.words, row.answer) for row in found)
    archive.csv("requests.csv", "What you asked, with answers", ("when", "kind", "state", "words", "answer"), rows)


def _corrections(asked: Asked, archive: CopyArchive) -> None:
    rows = (
        (row.asked_at.isoformat(), row.part_words, row.stands_text, row.right_text, row.request.state, row.outcome,
         row.former_text, row.disagreement_text)
        for row in corrections_of(asked.patient)
    )  # fmt: skip
    head = ("when", "part", "stood_there", "right", "state", "outcome", "record_held", "your_statement")
    archive.csv("corrections.csv", "What you called wrong, and your statements", head, rows)


def _log(asked: Asked, archive: CopyArchive) -> None:
    """Write what the log holds of the person, and bundles of proofs that an outsider can check."""
    mine = LogEntry.objects.filter(patient_id=asked.patient.pk, at__lte=asked.at)
    rows = (
        (entry.at.isoformat(), entry.kind, "" if entry.leaf_index is None else entry.leaf_index, entry.record or "")
        for entry in mine.order_by("pk").iterator()
    )
    archive.csv("log/entries.csv", "Entries of the record log about you", ("when", "what", "place", "record"), rows)
    placed = mine.filter(leaf_index__isnull=False).order_by("leaf_index")
    about, first, number = About(patient_id=asked.patient.pk), -1, 0
    while block := list(placed.filter(leaf_index__gt=first)[:MOST_ENTRIES]):
        number, first = number + 1, block[-1].leaf_index or 0
        try:
            bundle = bundle_of(block, about=about, may_read=lambda _entry: True)
        except DomainError:
            archive.note("No signed head covers the newest entries of the log yet: their proofs are in a later copy.")
            return
        archive.json(f"log/proofs-{number}.json", f"Proofs of {len(block)} entries", bundle)
    if number == 0:
        archive.note("No entry has its place in the log yet, so that there is nothing to prove: ask again in a minute.")
