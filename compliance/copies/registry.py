"""What a copy is made of. Packages register their parts when the application is ready, as they do resource types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from compliance.copies.archive import CopyArchive
from compliance.models import Patient, User


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose copy, for whom, up to when, and the address that its FHIR resources name."""

    patient: Patient
    by: User
    at: datetime
    base: str


Part = Callable[[Asked, CopyArchive], None]
_parts: dict[str, Part] = {}


def register_part(name: str, write: Part) -> None:
    """Offer a part of every copy. Registering a name again replaces it."""
    _parts[name] = write


def parts() -> Mapping[str, Part]:
    """Return every part by its name, in the order in which they were registered."""
    return MappingProxyType(_parts)
