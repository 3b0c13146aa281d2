"""Times as HL7 v2 writes them (DTM): to the millisecond, always with the offset of their zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_DTM = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?(?:\.(\d{1,4}))?)?([+-]\d{4})?")


def write_time(at: datetime) -> str:
    """Return YYYYMMDDHHMMSS.sss+ZZZZ. Raises ValueError for a time without a zone, which nobody could place."""
    if at.utcoffset() is None:
        raise ValueError("a time without a zone")
    return f"{at:%Y%m%d%H%M%S}.{at.microsecond // 1000:03d}{at:%z}"[:23]


def parse_time(text: str) -> datetime:
    """Return the time; one without an offset is taken as UTC. Raises ValueError."""
    found = _DTM.fullmatch(text)
    if found is None:
        raise ValueError("not a time of HL7 v2")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    at = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)
    at += timedelta(seconds=int(fraction) / 10 ** len(fraction)) if fraction else timedelta()
    if offset is None:
        return at
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    return at.replace(tzinfo=timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)))
