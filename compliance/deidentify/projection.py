"""What stays of a FHIR resource: elements that are named here, in the form that is named here, and nothing else.

Numbers, codes and moved dates stay. Identifiers, references other than to the pseudonym, displays and every free text
go, because they are not named: a new element of a resource does not leave the house before somebody names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from compliance.deidentify.groups import Person

Keep = Callable[[Any, Person], Any]
# LOINC and MDC numbers, ATC codes, and words of FHIR's own lists and of our rules, which are all in small letters.
_CODE = re.compile(r"[0-9]{1,8}(-[0-9])?|[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}|[a-z][a-z0-9_-]{0,39}")
_WORDS = frozenset({
    "final", "preliminary", "amended", "corrected", "completed", "active", "stopped", "draft", "cancelled",
    "entered-in-error", "in-progress", "not-done", "on-hold", "unknown", "order", "plan", "high", "moderate",
    "low", "s", "min", "h", "d", "wk", "mo", "a",
})  # fmt: skip
UCUM = "http://unitsofmeasure.org"
_UNIT = re.compile(r"[A-Za-z0-9%\[\]()'/.*^-]{1,24}|\{[a-z]{1,16}\}|[A-Za-z0-9/.]{1,8}\{[a-z]{1,16}\}")
_SYSTEM = re.compile(
    r"(https?://(terminology\.)?(hl7|loinc|snomed|unitsofmeasure|whocc|www\.whocc)\.[a-zA-Z0-9./-]+|urn:[a-z0-9:.-]+)"
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"\d\d:\d\d(:\d\d)?")


def _code(value: Any, _person: Person) -> str | None:
    """A code; of one that names a thing behind a colon, what stands before it."""
    text = value.partition(":")[0] if isinstance(value, str) else ""
    return text if _CODE.fullmatch(text) else None


def _word(value: Any, _person: Person) -> str | None:
    """A state, as FHIR lists them."""
    return value if isinstance(value, str) and value in _WORDS else None


def _unit(value: Any, _person: Person) -> str | None:
    return value if isinstance(value, str) and _UNIT.fullmatch(value) else None


def _system(value: Any, _person: Person) -> str | None:
    return value if isinstance(value, str) and _SYSTEM.fullmatch(value) else None


def _number(value: Any, _person: Person) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moment(value: Any, person: Person) -> str | None:
    """A day or a moment, moved; anything less exact, or unreadable, goes."""
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return (date.fromisoformat(value) + timedelta(days=person.offset_days)).isoformat()
        moved = datetime.fromisoformat(str(value)) + timedelta(days=person.offset_days)
    except (ValueError, OverflowError):
        return None
    return moved.isoformat() if moved.tzinfo is not None else None


def _clock(value: Any, _person: Person) -> str | None:
    return value if isinstance(value, str) and _CLOCK.fullmatch(value) else None


def _each(keep: Keep) -> Keep:
    def kept(value: Any, person: Person) -> list[Any] | None:
        found = [keep(one, person) for one in value] if isinstance(value, list) else []
        return [one for one in found if one is not None] or None

    return kept


def _only(elements: Mapping[str, Keep]) -> Keep:
    def kept(value: Any, person: Person) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            return None
        found = {name: keep(value[name], person) for name, keep in elements.items() if name in value}
        return {name: one for name, one in found.items() if one is not None} or None

    return kept


def _coding(value: Any, person: Person) -> dict[str, Any] | None:
    """A coding of a known system; a code without one could be anything."""
    kept = _only({"system": _system, "code": _code})(value, person)
    return kept if kept is not None and len(kept) == 2 else None


_CONCEPT = _only({"coding": _each(_coding)})


def _quantity(value: Any, person: Person) -> dict[str, Any] | None:
    """A number with its unit, where that is one of UCUM's; a unit in words could be anything."""
    known = isinstance(value, dict) and value.get("system") == UCUM
    keep = _only({"value": _number, "system": _system, "code": _unit} if known else {"value": _number})
    kept: dict[str, Any] | None = keep(value, person)
    return kept


_PERIOD = _only({"start": _moment, "end": _moment})
_MEASURED: Mapping[str, Keep] = {"code": _CONCEPT, "valueQuantity": _quantity, "dataAbsentReason": _CONCEPT}
_REPEAT = _only(
    {"boundsPeriod": _PERIOD, "frequency": _number, "period": _number, "periodUnit": _word, "timeOfDay": _each(_clock)}
)
_DOSAGE = _only({"timing": _only({"repeat": _REPEAT}), "doseAndRate": _each(_only({"doseQuantity": _quantity}))})

KINDS: Mapping[str, Keep] = {  # what leaves, by type of resource; Patient is made anew
    "Observation": _only(
        {
            "status": _word,
            "category": _each(_CONCEPT),
            "effectiveDateTime": _moment,
            "component": _each(_only(_MEASURED)),
        }
        | dict(_MEASURED)
    ),
    "MedicationRequest": _only(
        {
            "status": _word,
            "intent": _word,
            "medicationCodeableConcept": _CONCEPT,
            "authoredOn": _moment,
            "dosageInstruction": _each(_DOSAGE),
        }
    ),
    "MedicationAdministration": _only(
        {
            "status": _word,
            "medicationCodeableConcept": _CONCEPT,
            "effectiveDateTime": _moment,
            "dosage": _only({"dose": _quantity}),
        }
    ),
    "MedicationStatement": _only(
        {"status": _word, "medicationCodeableConcept": _CONCEPT, "effectiveDateTime": _moment}
    ),
    "RiskAssessment": _only(
        {
            "status": _word,
            "occurrenceDateTime": _moment,
            "prediction": _each(_only({"probabilityDecimal": _number, "whenPeriod": _PERIOD})),
        }
    ),
    "DetectedIssue": _only({"status": _word, "code": _CONCEPT, "severity": _word, "identifiedDateTime": _moment}),
}
_SUBJECT = {"DetectedIssue": "patient"}
AGE_GROUP = "urn:medtwin:age-group"


def project(resource: Mapping[str, Any], person: Person, new_id: str) -> dict[str, Any]:
    """Return what stays of a resource, under a new id. Raises KeyError for a type of which nothing leaves."""
    kind = str(resource["resourceType"])
    kept = KINDS[kind](resource, person) or {}
    reference = {"reference": f"Patient/{person.pseudonym}"}
    return {"resourceType": kind, "id": new_id, _SUBJECT.get(kind, "subject"): reference} | kept


def person_resource(person: Person) -> dict[str, Any]:
    """Return a person as research sees them: a pseudonym, a sex, an age group."""
    age = {"url": AGE_GROUP, "valueCode": person.age}
    return {"resourceType": "Patient", "id": person.pseudonym, "gender": person.sex, "extension": [age]}
