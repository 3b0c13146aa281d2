"""The parts of a record that somebody can look at: what the account calls them, and for how long a look counts as one.

The rule of what counts as an access, for every page, list, socket, callback and message:

- Who opens something about one person has accessed that record. The same person opening the same part for the same
  purpose within five minutes is one access; a part that fetches itself again while it stands open counts once an hour.
- A list that names people is one access for each of them and one entry in the log, which names them all; once an hour
  for each reader, so that a board that is open all night does not bury the account.
- What tells nothing about anybody in particular (a count, a form for a new device) is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

OPENED = timedelta(minutes=5)
REFRESHED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Part:
    """One part in the words of the account. many: a list that names people."""

    words: str
    fold_within: timedelta = OPENED
    many: bool = False


def _list(words: str) -> Part:
    return Part(words, REFRESHED, many=True)


PARTS: dict[str, Part] = {
    "patient_page": Part("Page on the ward"),
    "history": Part("Values over time"),
    "live": Part("Live values"),
    "timeline": Part("Timeline"),
    "what_if": Part("What-if studio"),
    "adherence": Part("Medication history"),
    "orders": Part("Medication orders"),
    "dose": Part("Recording a dose"),
    "limits": Part("Alarm limits"),
    "alert": Part("One alarm"),
    "place": Part("Moving to another ward or bed"),
    "device": Part("A device that measures you"),
    "study": Part("Images"),
    "image": Part("A single image"),
    "thumbnail": Part("A small picture of an image", REFRESHED),
    "evidence": Part("Proof of a value"),
    "evidence_bundle": Part("Proof of a value, taken away"),
    "log_entry": Part("One entry of the record log"),
    "log_proofs": Part("Proofs from the record log, taken away"),
    "violation": Part("Check of a rule"),
    "emergency_review": Part("Review of an emergency access"),
    "bulk_export": Part("Export of many records"),
    "research_export": Part("Export for research, without names"),
    "subscription": Part("A program that is told of changes", timedelta(days=1)),
    "record_export": Part("Copy of your record"),
    "own_page": Part("Own page"),
    "disclosures": Part("Account of who looked"),
    "rights": Part("Question who may see or do what"),
    "consents": Part("Decisions about the record"),
    "privacy_request": Part("Requests about the record"),
    "ward": _list("Ward board"),
    "alerts": _list("List of alarms"),
    "devices": _list("List of devices"),
    "worklist": _list("List of image studies"),
    "log": _list("Record log"),
    "violations": _list("Rules that were not kept"),
    "emergency_reviews": _list("List of emergency accesses"),
    "policy": _list("Rights simulator"),
    "wearers": _list("Choosing who wears a device"),
    "links": _list("Links of a member of staff"),
    "hl7_outbox": _list("Messages to other systems"),
    "analytics_adherence": _list("Medication analytics"),
    "analytics_energy": _list("Energy analytics"),
    "analytics_security": _list("Security analytics"),
    "accounting": _list("Account of disclosures"),
    "privacy_requests": _list("List of requests"),
}
LISTS = frozenset(code for code, part in PARTS.items() if part.many)


def part_of(code: str) -> Part:
    """Return the part of a code. `fhir_<type>` is a resource of the API and `hl7_<number>` a receiver of messages.

    Raises KeyError for a code that has no words here: what a patient reads must say what was looked at.
    """
    if code in PARTS:
        return PARTS[code]
    kind, _, rest = code.partition("_")
    if kind == "fhir" and rest:
        return Part(f"{rest}, through the interface for programs")
    if kind == "hl7" and rest.isdigit():
        return Part("Messages to another system", timedelta(days=1))
    raise KeyError(code)
