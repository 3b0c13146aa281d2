"""People of the house inside resources: by number, since Practitioner is not served."""

from __future__ import annotations

from compliance.fhir.entries import Resource

STAFF = "urn:medtwin:user"


def practitioner(user_id: int) -> Resource:
    """Return a logical reference to a person who signs in."""
    return {"type": "Practitioner", "identifier": {"system": STAFF, "value": str(user_id)}}


def device(device_id: int) -> Resource:
    """Return a reference to a device."""
    return {"reference": f"Device/{device_id}"}
