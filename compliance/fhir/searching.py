"""Run a search and lay it out as a Bundle: matches, what they bring with them, and the way to the next page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from compliance.fhir.access import Access
from compliance.fhir.body import model_of, required_elements
from compliance.fhir.cursor import Cursor, Pairs, open_cursor
from compliance.fhir.entries import Entry, Resource, references_in
from compliance.fhir.errors import Forbidden, RequestWrong, TooCostly
from compliance.fhir.noting import note_reads
from compliance.fhir.outcome import outcome
from compliance.fhir.parameters import Criterion
from compliance.fhir.query import Inclusion, Query, read_query
from compliance.fhir.registry import Asked, Found, ResourceType, registered
from compliance.fhir.values import Reference

MOST_INCLUDED = 1000
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
ALWAYS = {"resourceType", "id", "meta"}


def search(access: Access, resource_type: ResourceType, pairs: Pairs, *, strict: bool, by_url: bool) -> Resource:
    """Return the Bundle that a search finds.

    by_url: the pairs came in a URL, where nothing may stand that says who a patient is. Raises FhirError.
    """
    access.require(resource_type.name, "s")
    cursor = _begin(access, resource_type, pairs)
    query = read_query(resource_type, cursor.pairs, base=f"{access.base}/", strict=strict)
    if by_url and query.sensitive and cursor.pairs == pairs:
        raise RequestWrong(
            "Names, numbers and dates of birth must not stand in a URL: "
            f"send them by POST to {resource_type.name}/_search."
        )
    cursor = replace(cursor, total=_total(access, resource_type, query, cursor), pairs=query.used)
    if query.summary == "count" or query.count == 0:
        return _bundle(access, cursor, query, [], [], None, total=_counted(access, resource_type, query, cursor))
    found = resource_type.find(
        access,
        Asked(query.criteria, query.sort, query.count, cursor.after, cursor.started_at),
    )
    included = _included(access, query, found.entries)
    note_reads(access, [*found.entries, *included])
    return _bundle(access, cursor, query, found.entries, included, found, total=cursor.total)


def walk(
    access: Access, resource_type: ResourceType, criteria: Sequence[Criterion] = (), size: int = 200
) -> Iterator[Entry]:
    """Yield everything of a type that the request may see, page by page: for exports. The caller notes the access."""
    access.require(resource_type.name, "s")
    asked = Asked(tuple(criteria), (), size, None, access.now)
    while True:
        found = resource_type.find(access, asked)
        yield from found.entries
        if found.after is None:
            return
        asked = replace(asked, after=found.after)


def _begin(access: Access, resource_type: ResourceType, pairs: Pairs) -> Cursor:
    """Return the page that a link holds, or the first page of a new search."""
    pages = [value for name, value in pairs if name == "_page"]
    if not pages:
        return Cursor(access.owner, resource_type.name, pairs, access.now)
    if len(pairs) > 1:
        raise RequestWrong("A page link stands alone.")
    return open_cursor(pages[0], owner=access.owner, resource_type=resource_type.name, now=access.now)


def _total(access: Access, resource_type: ResourceType, query: Query, cursor: Cursor) -> int | None:
    if cursor.total is not None or query.total == "none":
        return cursor.total
    if query.total == "" and not resource_type.total_known:
        return None
    return resource_type.count(access, query.criteria)


def _counted(access: Access, resource_type: ResourceType, query: Query, cursor: Cursor) -> int:
    return resource_type.count(access, query.criteria) if cursor.total is None else cursor.total


def _included(access: Access, query: Query, matches: list[Entry]) -> list[Entry]:
    """Return what the matches bring with them, each once, and nothing that is a match itself."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for inclusion in query.includes:
        for entry in matches:
            for reference in references_in(entry.resource, inclusion.parameter.path):
                name, _, key = reference.partition("/")
                if inclusion.target in {"", name}:
                    wanted[name].add(key)
    found = [entry for name, ids in wanted.items() for entry in _readable(access, name, ids)]
    for inclusion in query.revincludes:
        found += _pointing(access, inclusion, matches)
    unique = {entry.reference: entry for entry in found}
    for entry in matches:
        unique.pop(entry.reference, None)
    if len(unique) > MOST_INCLUDED:
        raise TooCostly("These matches bring too much with them: ask for fewer at a time with _count.")
    return list(unique.values())


def _readable(access: Access, name: str, ids: set[str]) -> list[Entry]:
    """Read referenced resources. What may not be read is left out, as if it were not there."""
    target = registered().get(name)
    if target is None or not access.permits(name, "r"):
        return []
    try:
        return target.read_many(access, ids)
    except Forbidden:
        return []


def _pointing(access: Access, inclusion: Inclusion, matches: list[Entry]) -> list[Entry]:
    source = inclusion.source
    if not matches or not access.permits(source.name, "s"):
        return []
    to = tuple(Reference(entry.type, entry.id) for entry in matches)
    asked = Asked((Criterion(inclusion.parameter, "", to),), (), MOST_INCLUDED + 1, None, access.now)
    try:
        return source.find(access, asked).entries
    except Forbidden:
        return []


def _bundle(
    access: Access,
    cursor: Cursor,
    query: Query,
    matches: list[Entry],
    included: list[Entry],
    found: Found | None,
    *,
    total: int | None,
) -> Resource:
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "link": _links(access, cursor, query, found)}
    if total is not None:
        bundle["total"] = total
    rows = [_row(access, entry, query, "match") for entry in matches]
    rows += [_row(access, entry, query, "include") for entry in included]
    if query.ignored:
        words = f"Left out, because they are no search parameters here: {', '.join(query.ignored)}."
        rows.append({"resource": outcome("warning", "not-supported", words), "search": {"mode": "outcome"}})
    return bundle | ({"entry": rows} if rows else {})


def _row(access: Access, entry: Entry, query: Query, mode: str) -> Resource:
    return {
        "fullUrl": f"{access.base}/{entry.reference}",
        "resource": shortened(entry.full(), query.summary, query.elements if mode == "match" else ()),
        "search": {"mode": mode},
    }


def shortened(resource: Resource, summary: str, elements: Iterable[str]) -> Resource:
    """Return the elements that `_summary` and `_elements` leave, marked as not being all."""
    if summary != "true" and not elements:
        return resource
    kept = set(elements) | ALWAYS | _required(resource["resourceType"])  # what is left is a valid resource
    if summary == "true":
        kept |= set(model_of(resource["resourceType"]).summary_elements_sequence())
    made = {name: value for name, value in resource.items() if name in kept}
    if len(made) == len(resource):
        return resource
    meta = dict(made["meta"])
    meta["tag"] = [*meta.get("tag", []), SUBSETTED]
    return made | {"meta": meta}


def _required(resource_type: str) -> set[str]:
    """Return the elements without which a resource of this type is not valid."""
    several_types = {
        field.alias or name
        for name, field in model_of(resource_type).model_fields.items()
        if (field.json_schema_extra or {}).get("one_of_many_required")
    }
    return several_types | required_elements(resource_type)


def _links(access: Access, cursor: Cursor, query: Query, found: Found | None) -> list[Resource]:
    address = f"{access.base}/{cursor.resource_type}"
    if query.sensitive or cursor.after is not None:  # a URL is read by proxies and kept in histories
        here = f"{address}?_page={cursor.seal()}"
    else:
        here = f"{address}?{urlencode(query.used)}" if query.used else address
    links = [{"relation": "self", "url": here}]
    if found is not None and found.after is not None:
        links.append({"relation": "next", "url": f"{address}?_page={replace(cursor, after=found.after).seal()}"})
    return links
