"""Batch and transaction: several interactions in one request; a transaction stands or falls as a whole.

Source: FHIR R4, section 3.1.0.11. Entries of a transaction run in FHIR's order (POST, PUT, GET); those that are created
run so that what an entry refers to by its `urn:uuid:` is there before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import parse_qsl

from django.db import transaction

from compliance.errors import DomainError
from compliance.fhir import interactions
from compliance.fhir.access import Access
from compliance.fhir.authentication import charge
from compliance.fhir.cursor import Pairs
from compliance.fhir.entries import Resource
from compliance.fhir.errors import FhirError, RequestWrong, ResourceWrong
from compliance.fhir.histories import history, history_of_type
from compliance.fhir.interactions import Answer
from compliance.fhir.outcome import outcome_of
from compliance.fhir.registry import type_named
from compliance.fhir.searching import search
from compliance.services.events import refusals_outlast

MOST_ENTRIES = 100
ORDER = ("POST", "PUT", "GET")
_URL = re.compile(
    r"([A-Z][A-Za-z]{0,39})(?:/([A-Za-z0-9\-.]{1,64}))?(/_history(?:/([A-Za-z0-9\-.]{1,64}))?)?(?:\?(.*))?"
)
_TEMPORARY = re.compile(r"urn:uuid:[0-9a-fA-F\-]{36}")


@dataclass(frozen=True, slots=True)
class Step:
    """One entry: what is to be done where."""

    place: int
    method: str
    type: str
    key: str
    history: bool
    version: str
    query: str
    resource: Resource | None
    full_url: str
    if_match: str
    if_none_match: str
    if_none_exist: str


def process(access: Access, body: Resource, *, strict: bool) -> Resource:
    """Run a Bundle and return the answers. Raises FhirError when a transaction, or the Bundle itself, fails."""
    kind = body.get("type")
    if body.get("resourceType") != "Bundle" or kind not in {"batch", "transaction"}:
        raise RequestWrong("The body must be a Bundle of type batch or transaction.")
    entries = body.get("entry") or []
    if not isinstance(entries, list) or len(entries) > MOST_ENTRIES:
        raise RequestWrong(f"A Bundle has at most {MOST_ENTRIES} entries.", expression="Bundle.entry")
    charge(access, len(entries) - 1)  # the first was counted with the request
    if kind == "batch":
        answers = [_alone(access, place, entry, strict) for place, entry in enumerate(entries)]
    else:
        answers = _together(access, [_step(place, entry) for place, entry in enumerate(entries)], strict)
    made: Resource = {"resourceType": "Bundle", "type": f"{kind}-response"}
    return made | ({"entry": answers} if answers else {})


def _alone(access: Access, place: int, entry: Any, strict: bool) -> Resource:
    """Run an entry of a batch: what fails, fails alone."""
    try:
        return _answered(_run(access, _step(place, entry), strict))
    except FhirError as error:
        return _answered(Answer(error.http_status, outcome_of(error)))
    except DomainError as error:
        return _answered(Answer(422, outcome_of(ResourceWrong(error.message))))


def _together(access: Access, steps: list[Step], strict: bool) -> list[Resource]:
    """Run a transaction: all or nothing."""
    _check_once(steps)
    answers: dict[int, Answer] = {}
    names: dict[str, str] = {}
    with refusals_outlast(), transaction.atomic():
        for step in _in_order(steps):
            try:
                answer = _run(access, step, strict, names)
            except FhirError as error:
                error.expression = f"Bundle.entry[{step.place}]" + (f": {error.expression}" if error.expression else "")
                raise
            answers[step.place] = answer
            if step.method == "POST" and answer.resource is not None and step.full_url:
                names[step.full_url] = f"{answer.resource['resourceType']}/{answer.resource['id']}"
    return [_answered(answers[place]) for place in range(len(steps))]


def _step(place: int, entry: Any) -> Step:
    request = entry.get("request") if isinstance(entry, dict) else None
    where = f"Bundle.entry[{place}]"
    if not isinstance(request, dict):
        raise RequestWrong("An entry has no request.", expression=where)
    method, url = request.get("method"), request.get("url")
    resource, full_url = entry.get("resource"), entry.get("fullUrl", "")
    match = _URL.fullmatch(url) if isinstance(url, str) and len(url) <= 2048 else None
    if method not in ORDER or match is None or not isinstance(full_url, str):
        raise RequestWrong(f"An entry is a {', '.join(ORDER)} of a relative URL.", expression=f"{where}.request")
    if method != "GET" and not isinstance(resource, dict):
        raise RequestWrong("An entry that writes has a resource.", expression=f"{where}.resource")
    conditions = [request.get(name, "") for name in ("ifMatch", "ifNoneMatch", "ifNoneExist")]
    if not all(isinstance(condition, str) for condition in conditions):
        raise RequestWrong("A condition is a string.", expression=f"{where}.request")
    return Step(
        place, method, match[1], match[2] or "", bool(match[3]), match[4] or "", match[5] or "", resource, full_url,
        *conditions,
    )  # fmt: skip


def _run(access: Access, step: Step, strict: bool, names: dict[str, str] | None = None) -> Answer:
    kind = type_named(step.type)
    if step.method == "GET":
        return _get(access, step, strict)
    resource = _renamed(step.resource, names or {})
    if step.method == "POST":
        if step.key or step.query or step.history:
            raise RequestWrong("A POST goes to a resource type.")
        return interactions.create(access, kind, resource, step.if_none_exist)
    if not step.key or step.query or step.history:
        raise RequestWrong("A PUT goes to one resource; conditional updates are not supported.")
    return interactions.update(access, kind, step.key, resource, step.if_match)


def _get(access: Access, step: Step, strict: bool) -> Answer:
    kind, pairs = type_named(step.type), _pairs(step.query)
    if step.history and not step.version:
        if step.key:
            return history(access, kind, step.key, pairs, strict=strict)
        return history_of_type(access, kind, pairs, strict=strict)
    if not step.key and not step.version:
        return Answer(200, search(access, kind, pairs, strict=strict, by_url=False))
    if step.query or not step.key:
        raise RequestWrong("A read takes no parameters, and names a resource.")
    if step.version:
        return interactions.vread(access, kind, step.key, step.version)
    return interactions.read(access, kind, step.key, step.if_none_match)


def _pairs(query: str) -> Pairs:
    try:
        return tuple(parse_qsl(query, keep_blank_values=True, max_num_fields=100))
    except ValueError as error:
        raise RequestWrong("A search has too many parameters.") from error


def _check_once(steps: list[Step]) -> None:
    """Refuse a transaction that writes one resource twice, or names two entries alike."""
    written = [f"{step.type}/{step.key}" for step in steps if step.method == "PUT"]
    named = [step.full_url for step in steps if step.full_url and step.method == "POST"]
    if len(set(written)) != len(written) or len(set(named)) != len(named):
        raise RequestWrong("A transaction names each resource once.", expression="Bundle.entry")


def _in_order(steps: list[Step]) -> list[Step]:
    """Return the steps in the order in which they run. Raises ResourceWrong when new resources refer in a circle."""
    created = {step.full_url: step for step in steps if step.method == "POST" and step.full_url}
    needs = {
        step.place: {created[name].place for name in _temporary_names(step.resource) if name in created}
        for step in steps
        if step.method == "POST"
    }
    try:
        first = [steps[place] for place in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        raise ResourceWrong("New resources refer to each other in a circle.", expression="Bundle.entry") from error
    return [*first, *(s for s in steps if s.method == "PUT"), *(s for s in steps if s.method == "GET")]


def _temporary_names(value: Any) -> set[str]:
    found, waiting = set(), [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            reference = one.get("reference")
            if isinstance(reference, str) and _TEMPORARY.fullmatch(reference):
                found.add(reference)
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """Return the resource with temporary references replaced. Its depth was limited when it was read."""
    if isinstance(value, dict):
        made = {name: _renamed(inner, names) for name, inner in value.items()}
        reference = made.get("reference")
        if isinstance(reference, str) and reference in names:
            made["reference"] = names[reference]
        return made
    return [_renamed(inner, names) for inner in value] if isinstance(value, list) else value


def _answered(answer: Answer) -> Resource:
    response: Resource = {"status": str(answer.status)}
    for header, name in (("ETag", "etag"), ("Location", "location")):
        if header in answer.headers:
            response[name] = answer.headers[header]
    if answer.resource is not None and answer.resource["resourceType"] == "OperationOutcome":
        return {"response": response | {"outcome": answer.resource}}
    return {"response": response} | ({"resource": answer.resource} if answer.resource is not None else {})
