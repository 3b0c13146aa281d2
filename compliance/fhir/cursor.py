"""The link to a search's next page: the search, where it stands and since when, sealed, so that it can be neither read
nor altered, and opens only for who asked.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from compliance.errors import SecretUnreadable
from compliance.fhir.errors import Gone, ParameterWrong
from compliance.fhir.registry import Position
from compliance.keyring import field_box
from compliance.secretbox import SecretBox

LASTS = timedelta(hours=1)
LONGEST = 8192
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a page link holds."""

    owner: str
    resource_type: str
    pairs: Pairs
    started_at: datetime
    after: Position | None = None
    total: int | None = None

    def seal(self) -> str:
        """Return the link's opaque text."""
        after = None if self.after is None else [_pack(value) for value in self.after]
        state = [self.owner, self.resource_type, self.pairs, self.started_at.isoformat(), after, self.total]
        sealed = _box().seal(json.dumps(state).encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def open_cursor(text: str, *, owner: str, resource_type: str, now: datetime) -> Cursor:
    """Return what a page link holds.

    Raises ParameterWrong when it was not made here, for this person and resource type; Gone when it is too old.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError("too long")
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        made_for, named, pairs, started, after, total = json.loads(_box().open(sealed))
    except (ValueError, binascii.Error, SecretUnreadable) as error:
        raise ParameterWrong("This page link was not made here.") from error
    if (made_for, named) != (owner, resource_type):
        raise ParameterWrong("This page link was not made here.")
    started_at = datetime.fromisoformat(started)
    if now - started_at > LASTS:
        raise Gone("This search is over an hour old: begin it anew.")
    position = None if after is None else tuple(_unpack(value) for value in after)
    return Cursor(owner, resource_type, tuple((name, value) for name, value in pairs), started_at, position, total)


def _box() -> SecretBox:
    return field_box("fhir-page")


def _pack(value: Any) -> Any:
    """Return a sort value as JSON, with its type."""
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, date):
        return {"d": value.isoformat()}
    return {"u": str(value)} if isinstance(value, UUID) else value


def _unpack(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, text),) = value.items()
    if kind == "u":
        return UUID(text)
    return datetime.fromisoformat(text) if kind == "t" else date.fromisoformat(text)
