"""Words for what was looked at and why, and the accounting as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from compliance.models import AccessRecord
from compliance.privacy.parts import part_of
from compliance.privacy.purposes import AccessPurpose
from compliance.services.accesses import HOUSE

WHY = {
    AccessPurpose.TREATMENT: "Your treatment",
    AccessPurpose.CARE_FAMILY: "Your family and carers",
    AccessPurpose.TRAINING: "Training of staff",
    AccessPurpose.OPERATIONS: "Looking after devices and rights",
    AccessPurpose.SHARE_EXTERNAL: "Another hospital or practice",
    AccessPurpose.EMERGENCY: "Emergency",
    AccessPurpose.OWN: "By the patient",
    AccessPurpose.OTHER: "Other",
}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the record in words. `at` is in the patient's zone."""

    at: datetime
    who: str
    role: str
    what: str
    why: str
    emergency: bool
    number: int  # names the look itself


def look_of(record: AccessRecord, zone: ZoneInfo) -> Look:
    """Say one access in words. The house names people: its staff know that they are named."""
    return Look(
        at=record.at.astimezone(zone),
        who=_who(record),
        role=record.role,
        what=words_of_part(record.what),
        why=WHY.get(AccessPurpose(record.purpose), "Other"),
        emergency=record.purpose == AccessPurpose.EMERGENCY,
        number=record.pk,
    )


def _who(record: AccessRecord) -> str:
    if record.user is not None:
        return record.user.display_name
    return "This house's own work" if record.role == HOUSE else "A person who has left"


def words_of_part(code: str) -> str:
    """Say which part was looked at. Rows are kept for years: a code that has no words any more stands for itself."""
    try:
        return part_of(code).words
    except KeyError:
        return code.replace("_", " ").capitalize()


def accounting_csv(looks: Iterable[Look]) -> str:
    """Return the accounting as CSV (RFC 4180)."""
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(["when", "who", "role", "what", "purpose"])
    for look in looks:
        writer.writerow([_inert(cell) for cell in (look.at.isoformat(), look.who, look.role, look.what, look.why)])
    return sheet.getvalue()


def _inert(cell: str) -> str:
    """Keep a spreadsheet from reading a name as a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell
