"""Resources on their way out: content, version, and the small pieces of JSON that every resource needs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from compliance.fhir.parameters import as_utc

Resource = dict[str, Any]
VERSION_LETTERS = 24
UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
SYNTHETIC = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource as some request may see it.

    resource: without `meta`. The version is a digest of the content, so that it changes exactly when the content does,
    whichever of the rows behind it was changed. edition: counts changes of a record of which a resource shows a part
    only, or that changed back; 1 where nobody counts. created: it is the first version of its resource.
    """

    resource: Resource
    updated_at: datetime | None = None
    patient_id: UUID | None = None
    synthetic: bool = False
    profiles: tuple[str, ...] = field(default=())
    edition: int = 1
    created: bool = True

    @property
    def type(self) -> str:
        """The resource type."""
        return str(self.resource["resourceType"])

    @property
    def id(self) -> str:
        """The logical id."""
        return str(self.resource["id"])

    @property
    def reference(self) -> str:
        """`Type/id`."""
        return f"{self.type}/{self.id}"

    @property
    def version(self) -> str:
        """Digest of the content, and of the edition where there are several."""
        content = json.dumps(self.resource, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if self.edition > 1:
            content += f" edition {self.edition}"
        return hashlib.sha256(content.encode()).hexdigest()[:VERSION_LETTERS]

    def full(self) -> Resource:
        """Return the resource with its `meta`."""
        meta: dict[str, object] = {"versionId": self.version}
        if self.updated_at is not None:
            meta["lastUpdated"] = as_utc(self.updated_at)
        if self.profiles:
            meta["profile"] = list(self.profiles)
        if self.synthetic:
            meta["tag"] = [SYNTHETIC]
        head = {"resourceType": self.type, "id": self.id, "meta": meta}
        return head | {name: value for name, value in self.resource.items() if name not in head}


def coding(system: str, code: str, display: str = "") -> Resource:
    """Return a Coding."""
    return {"system": system, "code": code} | ({"display": display} if display else {})


def concept(*codings: Resource, text: str = "") -> Resource:
    """Return a CodeableConcept."""
    made: Resource = {"coding": list(codings)} if codings else {}
    return made | ({"text": text} if text else {})


def refer(resource_type: str, key: object) -> Resource:
    """Return a Reference to a resource of this server."""
    return {"reference": f"{resource_type}/{key}"}


def quantity(value: float, unit: str, code: str) -> Resource:
    """Return a Quantity with its UCUM unit."""
    return {"value": value, "unit": unit or code, "system": UCUM, "code": code}


def references_in(resource: Resource, path: str) -> list[str]:
    """Return the `Type/id` references at a dotted path, through lists."""
    found: list[Any] = [resource]
    for name in path.split("."):
        found = [inner for outer in found if isinstance(outer, dict) for inner in _listed(outer.get(name))]
    return [entry["reference"] for entry in found if isinstance(entry, dict) and "reference" in entry]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
