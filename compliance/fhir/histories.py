"""What a resource, or all of a type, was at other times: versions, newest first, page by page.

Source: FHIR R4, section 3.1.0.14 (history), parameters _since, _at and _count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from compliance.fhir.access import Access
from compliance.fhir.cursor import Cursor, Pairs, open_cursor
from compliance.fhir.entries import Entry, Resource
from compliance.fhir.errors import MethodWrong, ParameterWrong, RequestWrong
from compliance.fhir.interactions import Answer, entry_of, etag
from compliance.fhir.noting import note_reads
from compliance.fhir.parameters import as_utc
from compliance.fhir.query import COUNT, read_count
from compliance.fhir.registry import Found, Position, ResourceType, Span
from compliance.fhir.values import DateRange, Prefix, parse_date

TAKEN = {"_since", "_at", "_count"}
PASSED_OVER = {"_format", "_pretty"}  # judged with the media types


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a history is asked for."""

    span: Span
    count: int
    used: Pairs


def history(access: Access, resource_type: ResourceType, key: str, pairs: Pairs = (), *, strict: bool = True) -> Answer:
    """Return the versions of one resource as a Bundle. Raises FhirError."""
    if not resource_type.history_kept:
        raise MethodWrong(f"No history of {resource_type.name} is kept; its current version can be read.")
    current = entry_of(access, resource_type, key)
    place = f"{resource_type.name}/{key}/_history"
    cursor = _begin(access, place, pairs)
    wanted = _read(cursor, strict=strict)
    kept = _within(resource_type.history(access, current), wanted.span)
    first = int(str(cursor.after[0])) if cursor.after else 0
    page = kept[first : first + wanted.count]
    left = first + len(page) < len(kept) and wanted.count > 0
    found = Found(page, (first + len(page),) if left else None)
    return _answer(access, place, replace(cursor, pairs=wanted.used), found, len(kept))


def history_of_type(access: Access, resource_type: ResourceType, pairs: Pairs, *, strict: bool) -> Answer:
    """Return the versions that the request may see of all resources of a type, as a Bundle. Raises FhirError."""
    if not resource_type.history_kept:
        raise MethodWrong(f"No history of {resource_type.name} is kept; its current versions can be searched.")
    access.require(resource_type.name, "s")
    place = f"{resource_type.name}/_history"
    cursor = _begin(access, place, pairs)
    wanted = _read(cursor, strict=strict)
    total = cursor.total if cursor.after else resource_type.count_changes(access, wanted.span)
    cursor = replace(cursor, pairs=wanted.used, total=total)
    found = Found([])
    if wanted.count:
        found = resource_type.changes(access, wanted.span, wanted.count, cursor.after)
    return _answer(access, place, cursor, found, total)


def _begin(access: Access, place: str, pairs: Pairs) -> Cursor:
    """Return the page that a link holds, or the first page."""
    pages = [value for name, value in pairs if name == "_page"]
    if not pages:
        return Cursor(access.owner, place, pairs, access.now)
    if len(pairs) > 1:
        raise RequestWrong("A page link stands alone.")
    return open_cursor(pages[0], owner=access.owner, resource_type=place, now=access.now)


def _read(cursor: Cursor, *, strict: bool) -> Wanted:
    """Return what the pairs ask for. Raises ParameterWrong; what is unknown is refused, or left out if not `strict`."""
    given: dict[str, str] = {}
    for name, value in cursor.pairs:
        if name in given:
            raise ParameterWrong(f"{name} stands twice.")
        if name in TAKEN:
            given[name] = value
        elif name not in PASSED_OVER and strict:
            raise ParameterWrong("A history takes _since, _at and _count.")
    since = _moment("_since", given["_since"]).low if "_since" in given else None
    at = _moment("_at", given["_at"]) if "_at" in given else None
    span = Span(since, (at.low, at.high) if at else None, cursor.started_at)
    return Wanted(span, read_count(given["_count"]) if "_count" in given else COUNT, tuple(given.items()))


def _moment(name: str, text: str) -> DateRange:
    found = parse_date(text)
    if found.prefix is not Prefix.EQ or text.startswith("eq"):
        raise ParameterWrong(f"{name} takes a moment without a prefix, such as 2026-01-31T08:00:00Z.")
    return found


def _within(versions: Sequence[Entry], span: Span) -> list[Entry]:
    """Return those of one resource's versions, newest first, that lie in a span; what has no moment lies in every."""
    kept, ends = [], None
    for entry in versions:
        if _lies(entry.updated_at, ends, span):
            kept.append(entry)
        ends = entry.updated_at
    return kept


def _lies(at: datetime | None, ends: datetime | None, span: Span) -> bool:
    if at is None:
        return True
    if span.at is not None and not (at < span.at[1] and (ends is None or ends > span.at[0])):
        return False
    return (span.since is None or at >= span.since) and (span.until is None or at <= span.until)


def _answer(access: Access, place: str, cursor: Cursor, found: Found, total: int | None) -> Answer:
    note_reads(access, found.entries)
    address = f"{access.base}/{place}"
    links = [{"relation": "self", "url": f"{address}{_asked(cursor)}"}]
    if found.after is not None:
        links.append({"relation": "next", "url": f"{address}?_page={_sealed(cursor, found.after)}"})
    bundle: Resource = {"resourceType": "Bundle", "type": "history", "link": links}
    if total is not None:
        bundle["total"] = total
    rows = [_row(access, entry) for entry in found.entries]
    return Answer(200, bundle | ({"entry": rows} if rows else {}))


def _asked(cursor: Cursor) -> str:
    if cursor.after is not None:
        return f"?_page={cursor.seal()}"
    return f"?{urlencode(cursor.pairs)}" if cursor.pairs else ""


def _sealed(cursor: Cursor, after: Position) -> str:
    return replace(cursor, after=after).seal()


def _row(access: Access, entry: Entry) -> Resource:
    """Return a version with the request that would have made it: POST for the first, PUT for the others."""
    made = (
        ({"method": "POST", "url": entry.type}, "201")
        if entry.created
        else ({"method": "PUT", "url": entry.reference}, "200")
    )
    moment = {"lastModified": as_utc(entry.updated_at)} if entry.updated_at else {}
    return {
        "fullUrl": f"{access.base}/{entry.reference}",
        "resource": entry.full(),
        "request": made[0],
        "response": {"status": made[1], "etag": etag(entry), **moment},
    }
