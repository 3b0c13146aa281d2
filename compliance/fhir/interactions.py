"""Read, vread, create, update and delete: one function each, from an access to an answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import transaction

from compliance.fhir.access import Access
from compliance.fhir.body import validate
from compliance.fhir.entries import Entry, Resource
from compliance.fhir.errors import Gone, MethodWrong, RequestWrong, ResourceNotFound, VersionMoved
from compliance.fhir.noting import note_reads
from compliance.fhir.registry import ResourceType
from compliance.fhir.values import ID
from compliance.services.events import refusals_outlast


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: status, body, headers."""

    status: int
    resource: Resource | None
    headers: dict[str, str] = field(default_factory=dict)


def entry_of(access: Access, resource_type: ResourceType, key: str, letter: str = "r") -> Entry:
    """Return one resource. Absent and forbidden are the same: ResourceNotFound."""
    access.require(resource_type.name, letter)
    found = resource_type.read_many(access, [key], letter) if ID.fullmatch(key) else []
    if not found or found[0].id != key:
        raise ResourceNotFound
    return found[0]


def read(access: Access, resource_type: ResourceType, key: str, if_none_match: str = "") -> Answer:
    """Read a resource; 304 when the reader has this version already."""
    entry = entry_of(access, resource_type, key)
    note_reads(access, [entry])
    if entry.version in tags(if_none_match):
        return Answer(304, None, _headers(entry))
    return Answer(200, entry.full(), _headers(entry))


def vread(access: Access, resource_type: ResourceType, key: str, version: str) -> Answer:
    """Read one version. A version that is no longer kept is Gone."""
    entry = entry_of(access, resource_type, key)
    kept = resource_type.history(access, entry) if resource_type.history_kept else [entry]
    for one in kept:
        if one.version == version:
            note_reads(access, [one])
            return Answer(200, one.full(), _headers(one))
    if resource_type.history_kept or not ID.fullmatch(version):
        raise ResourceNotFound
    raise Gone("Only the current version of this resource is kept.")


def create(access: Access, resource_type: ResourceType, resource: Resource, if_none_exist: str = "") -> Answer:
    """Store a new resource; the server names it."""
    if not resource_type.creates:
        raise MethodWrong(f"{resource_type.name} cannot be created here.", headers=_allow(resource_type, "type"))
    access.require(resource_type.name, "c")
    if if_none_exist:
        raise RequestWrong("Conditional creation is not supported.")
    valid = validate(resource, resource_type.name)
    with refusals_outlast(), transaction.atomic():
        entry = resource_type.create(access, _without_server_owned(valid))
    return Answer(
        201,
        entry.full(),
        _headers(entry) | {"Location": f"{access.base}/{entry.reference}/_history/{entry.version}"},
    )


def update(access: Access, resource_type: ResourceType, key: str, resource: Resource, if_match: str = "") -> Answer:
    """Change a resource. Raises VersionMoved when it is no longer the version that `if_match` names."""
    if not resource_type.updates:
        raise MethodWrong(f"{resource_type.name} cannot be updated here.", headers=_allow(resource_type, "instance"))
    valid = validate(resource, resource_type.name)
    if valid.get("id") != key:
        raise RequestWrong("The id of the body is not the one in the URL.", expression=f"{resource_type.name}.id")
    with refusals_outlast(), transaction.atomic():
        current = entry_of(access, resource_type, key, "u")
        if if_match and current.version not in tags(if_match):
            raise VersionMoved
        entry = resource_type.update(access, current, _without_server_owned(valid))
    return Answer(200, entry.full(), _headers(entry))


def delete(access: Access, resource_type: ResourceType, key: str, if_match: str = "") -> Answer:
    """Remove a resource. Raises VersionMoved when it is no longer the version that `if_match` names."""
    if not resource_type.deletes:
        raise MethodWrong(f"{resource_type.name} cannot be deleted here.", headers=_allow(resource_type, "instance"))
    with refusals_outlast(), transaction.atomic():
        current = entry_of(access, resource_type, key, "d")
        if if_match and current.version not in tags(if_match):
            raise VersionMoved
        resource_type.delete(access, current)
    return Answer(204, None)


def _allow(one: ResourceType, level: str) -> dict[str, str]:
    """Return the methods that a type, or an instance of it, takes."""
    offered = {"PUT": one.updates, "DELETE": one.deletes} if level == "instance" else {"POST": one.creates}
    return {"Allow": ", ".join(["GET", *(name for name, there in offered.items() if there), "HEAD", "OPTIONS"])}


def _without_server_owned(resource: Resource) -> Resource:
    """Leave out what only the server sets: id and meta of the body are never taken over."""
    return {name: value for name, value in resource.items() if name not in {"id", "meta", "text"}}


def tags(header: str) -> set[str]:
    """Return the versions that an If-Match or If-None-Match header names."""
    return {part.strip().removeprefix("W/").strip('"') for part in header.split(",")[:20]}


def etag(entry: Entry) -> str:
    """Return a version as an entity tag; weak, as FHIR asks, since the same version may be written in several ways."""
    return f'W/"{entry.version}"'


def _headers(entry: Entry) -> dict[str, str]:
    headers = {"ETag": etag(entry)}
    if entry.updated_at is not None:
        from django.utils.http import http_date

        headers["Last-Modified"] = http_date(entry.updated_at.timestamp())
    return headers
