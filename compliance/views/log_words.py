"""Entries of the log in words: rows of the list, and a record as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from compliance.models import LogEntry, User, Ward
from compliance.selectors.log_reading import EVENT, MayRead, content_of
from compliance.selectors.people import patients_for
from compliance.services.proofs import check_now
from compliance.verify.outcome import Outcome

HELD_BACK = "A clinical record. It is shown to those who may see this patient's medication."
ERASED = "Erased. Salt and record are gone; the commitment stays, so that other proofs hold."
CHECKS = {
    "proof": ("In the log", "The proof leads from the commitment to the checkpoint's root.", "{}"),
    "commitment": (
        "As committed",
        "Salt and record give the commitment.",
        "Salt and record do not give it.",
    ),
    "record_absent": ("Erased", "Nothing is left to compare with the commitment.", ""),
    "log_signature": ("Signed by the log", "{}", "{}"),
    "witness_signature": ("Signed by a witness", "{}", "{}"),
    "witness_unknown": ("Another signature", "{}", "{}"),
    "quorum": ("Witnessed", "{}", "{}"),
    "consistency": ("Nothing rewritten", "{}", "{}"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list. state: waiting, signed, witnessed or erased."""

    entry: LogEntry
    words: str
    category: str
    code: str
    person: str
    patient: str
    state: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check of this moment."""

    name: str
    outcome: str
    words: str


class Names:
    """Who and where, in words, for a page of entries: a handful of queries however many there are."""

    def __init__(self, reader: User, entries: Iterable[LogEntry]) -> None:
        found = list(entries)
        contents = [content_of(entry) for entry in found]
        people = {content["user"] for content in contents if content.get("user")}
        patients = {entry.patient_id for entry in found if entry.patient_id}
        wards = {entry.ward_id for entry in found if entry.ward_id}
        self._people: Mapping[int, str] = {u.pk: u.display_name for u in User.objects.filter(pk__in=people)}
        self._patients: Mapping[UUID, str] = {p.pk: p.name for p in patients_for(reader).filter(pk__in=patients)}
        self._wards: Mapping[int, str] = dict(Ward.objects.filter(pk__in=wards).values_list("pk", "name"))

    def person(self, pk: int | None) -> str:
        """Return who acted."""
        return self._people.get(pk, f"person {pk}") if pk else ""

    def patient(self, pk: UUID | None) -> str:
        """Return whom it concerns, in so far as the reader may know."""
        return self._patients.get(pk, "a patient") if pk else ""

    def ward(self, pk: int | None) -> str:
        """Return where it was."""
        return self._wards.get(pk, f"ward {pk}") if pk else ""


def row_of(entry: LogEntry, names: Names, may_read: MayRead, witnessed_size: int) -> Row:
    """Return an entry as a line."""
    content = content_of(entry) if may_read(entry) else {}
    if entry.erased:
        words = "Erased"
    elif not may_read(entry):
        words = "A clinical record"
    else:
        words = str(content.get("message") or entry.kind.replace("_", " ").capitalize())
    return Row(
        entry=entry,
        words=words,
        category=str(content.get("category", "")).replace("_", " "),
        code=str(content.get("code", "") if entry.kind == EVENT else entry.kind if content else ""),
        person=names.person(content.get("user")),
        patient=names.patient(entry.patient_id),
        state=state_of(entry, witnessed_size),
    )


def state_of(entry: LogEntry, witnessed_size: int) -> str:
    """Return how far an entry has come."""
    if entry.leaf_index is None:
        return "waiting"
    return "witnessed" if entry.leaf_index < witnessed_size else "signed"


def facts_of(entry: LogEntry, names: Names) -> list[tuple[str, str]]:
    """Return a record as names and values, for a table."""
    content = content_of(entry)
    shown: dict[str, Any] = {
        "What": content.pop("message", None),
        "When": f"{entry.at:%d %B %Y, %H:%M:%S.%f} UTC",
        "Kind": str(content.pop("kind", "")).replace("_", " "),
        "Category": str(content.pop("category", None) or "").replace("_", " "),
        "Code": content.pop("code", None),
        "Patient": names.patient(entry.patient_id),
        "Ward": names.ward(content.pop("ward", None)),
        "By": names.person(content.pop("user", None)),
    }
    for name in ("patient", "at"):
        content.pop(name, None)
    shown |= {name.replace("_", " ").capitalize(): value for name, value in _flat(content)}
    return [(name, str(value)) for name, value in shown.items() if value not in (None, "", [], {})]


def _flat(content: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Yield the fields, those of the detail among them."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from ((f"{name}: {inner}", item) for inner, item in value.items())
        else:
            yield name, value


def checks_of(entry: LogEntry) -> list[CheckRow]:
    """Check an entry's proof now, with the outsiders' own verifier, and return what came of it.

    Too few witnesses are missing and nothing worse: nobody has contradicted.
    """
    rows = []
    for line in check_now(entry):
        if line.code not in CHECKS:
            continue
        name, good, bad = CHECKS[line.code]
        outcome = {Outcome.HOLDS: "holds", Outcome.TOLD: "missing", Outcome.BROKEN: "broken"}[line.outcome]
        outcome = "missing" if line.code == "quorum" and outcome == "broken" else outcome
        rows.append(CheckRow(name, outcome, (bad if outcome == "broken" else good).format(line.words)))
    return rows
