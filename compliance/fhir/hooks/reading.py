"""From a Subscription resource to what is stored of it, and back. Secrets for the receiver go in and never out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings

from compliance.fhir.access import Access
from compliance.fhir.bulk.kickoff import ACTION, require_proof
from compliance.fhir.entries import Resource
from compliance.fhir.errors import FhirError, Forbidden, ResourceWrong
from compliance.fhir.hooks.address import EndpointRefused, parse_endpoint
from compliance.fhir.parameters import Criterion, as_utc
from compliance.fhir.query import RESULT_PARAMETERS, read_query
from compliance.fhir.registry import ResourceType, registered
from compliance.keyring import field_box
from compliance.models import Payload, Subscription, SubscriptionState

PURPOSE = "fhir-hook"
RIGHT = ACTION  # records leave for another program, again and again
CONTENT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"
FHIR_JSON = "application/fhir+json"
KEPT = "***"  # what is shown of a header's value; sent back, it means the value that is stored
TAKEN_OVER = {"resourceType", "status", "reason", "criteria", "channel", "end", "error"}
OF_CHANNEL = {"type", "endpoint", "payload", "_payload", "header"}
MOST_HEADERS, LONGEST_HEADER = 8, 2000
OURS = {
    "host", "connection", "content-length", "content-type", "transfer-encoding", "upgrade", "te", "trailer",
    "proxy-authorization", "proxy-connection", "expect", "keep-alive",
}  # fmt: skip
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~\-]{1,64}):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
_CRITERIA = re.compile(r"([A-Z][A-Za-z]{0,39})(?:\?([\x21-\x7e]*))?")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks for, checked. headers: name -> value; a value of None is the one that is stored."""

    off: bool
    restart: bool
    kind: ResourceType
    criteria: str
    reason: str
    endpoint: str
    payload: Payload
    headers: dict[str, str | None]
    ends_at: datetime | None


def read_wish(access: Access, resource: Resource, held: Subscription | None) -> Wish:
    """Return what a validated resource asks for. Raises ResourceWrong, Forbidden."""
    if left := sorted(set(resource) - TAKEN_OVER):
        raise ResourceWrong(f"{left[0]} is not kept here.", expression=f"Subscription.{left[0]}")
    channel: dict[str, Any] = resource["channel"]
    if left := sorted(set(channel) - OF_CHANNEL):
        raise ResourceWrong(f"{left[0]} is not kept here.", expression=f"Subscription.channel.{left[0]}")
    if channel.get("type") != "rest-hook":
        raise ResourceWrong("The channel is a rest-hook.", expression="Subscription.channel.type")
    status, was = resource.get("status"), held.state if held is not None else None
    if status not in {SubscriptionState.REQUESTED, SubscriptionState.OFF, was}:
        raise ResourceWrong("A client asks for requested or off; the server says the rest.", expression="status")
    if held is None and status != SubscriptionState.REQUESTED:
        raise ResourceWrong("A new subscription is requested.", expression="Subscription.status")
    kind, _criteria = read_criteria(access, resource["criteria"])
    if status != SubscriptionState.OFF:
        require_proof(access)
        require_rights(access, kind)
    return Wish(
        off=status == SubscriptionState.OFF,
        restart=status == SubscriptionState.REQUESTED,
        kind=kind,
        criteria=resource["criteria"],
        reason=_reason(resource["reason"]),
        endpoint=_endpoint(channel.get("endpoint", "")),
        payload=_payload(channel),
        headers=_headers(channel.get("header", []), held),
        ends_at=_end(resource.get("end"), access.now),
    )


def read_criteria(access: Access, text: str) -> tuple[ResourceType, tuple[Criterion, ...]]:
    """Return type and filters of the criteria. Raises ResourceWrong when they are no search of ours."""
    match = _CRITERIA.fullmatch(text) if len(text) <= 1000 else None
    kind = registered().get(match[1]) if match is not None else None
    if match is None or kind is None or not kind.told:
        raise ResourceWrong(
            "Criteria are a search of a type that tells of its changes, such as Observation?code=8867-4.",
            expression="Subscription.criteria",
        )
    try:
        pairs = tuple(parse_qsl(match[2] or "", keep_blank_values=True, strict_parsing=bool(match[2])))
        if any(name.partition(":")[0] in RESULT_PARAMETERS - {"_id"} for name, _value in pairs):
            raise ResourceWrong("Criteria filter; they neither sort nor include.")
        query = read_query(kind, pairs, base=f"{access.base}/", strict=True)
    except (FhirError, ValueError) as error:
        words = error.message if isinstance(error, FhirError) else "The criteria cannot be read."
        raise ResourceWrong(words, expression="Subscription.criteria") from error
    if query.sensitive:
        raise ResourceWrong("Criteria do not name who a patient is: give the patient's id.")
    return kind, query.criteria


def require_rights(access: Access, kind: ResourceType) -> None:
    """Raise Forbidden unless the request may search and read the type, and send it away."""
    access.scope(RIGHT)
    for letter in "rs":
        access.require(kind.name, letter)
    access.scope(kind.action)


def channel_of(row: Subscription) -> Resource:
    """Return the channel as it may be shown."""
    channel: Resource = {"type": "rest-hook", "endpoint": row.endpoint}
    if row.payload != Payload.EMPTY:
        channel["payload"] = FHIR_JSON
    if row.payload == Payload.ID_ONLY:
        channel["_payload"] = {"extension": [{"url": CONTENT, "valueCode": row.payload}]}
    if names := sorted(headers_of(row)):
        channel["header"] = [f"{name}: {KEPT}" for name in names]
    return channel


def headers_of(row: Subscription) -> dict[str, str]:
    """Return the headers that the receiver is sent. Raises SecretUnreadable."""
    sealed = bytes(row.headers_sealed)
    found: dict[str, str] = json.loads(field_box(PURPOSE).open(sealed)) if sealed else {}
    return found


def seal_headers(headers: dict[str, str]) -> bytes:
    """Return headers as they are stored."""
    return field_box(PURPOSE).seal(json.dumps(headers).encode()) if headers else b""


def _reason(text: str) -> str:
    if not 0 < len(text.strip()) <= 240:
        raise ResourceWrong("A reason has up to 240 characters.", expression="Subscription.reason")
    return text


def _endpoint(url: str) -> str:
    try:
        parse_endpoint(url, plain_too=settings.DEMO)
    except EndpointRefused as error:
        raise ResourceWrong(error.message, expression="Subscription.channel.endpoint") from error
    return url


def _payload(channel: dict[str, Any]) -> Payload:
    media_type = channel.get("payload")
    content = {one.get("url"): one.get("valueCode") for one in channel.get("_payload", {}).get("extension", [])}
    if set(content) - {CONTENT}:
        raise ResourceWrong("That extension is not known here.", expression="Subscription.channel.payload")
    wanted = content.get(CONTENT, Payload.EMPTY if media_type is None else Payload.FULL)
    if wanted not in Payload.values or (media_type is None) != (wanted == Payload.EMPTY):
        raise ResourceWrong(
            f"The payload is absent, or {FHIR_JSON} with content id-only or full-resource.",
            expression="Subscription.channel.payload",
        )
    if media_type not in {None, FHIR_JSON}:
        raise ResourceWrong(f"The payload is {FHIR_JSON}.", expression="Subscription.channel.payload")
    return Payload(wanted)


def _headers(lines: list[str], held: Subscription | None) -> dict[str, str | None]:
    stored = headers_of(held) if held is not None else {}
    found: dict[str, str | None] = {}
    for line in lines:
        match = _HEADER.fullmatch(line) if isinstance(line, str) and len(line) <= LONGEST_HEADER else None
        if match is None or match[1].lower() in OURS | {name.lower() for name in found}:
            raise ResourceWrong(
                "A header is one line such as 'Authorization: Bearer x', and none that HTTP itself needs.",
                expression="Subscription.channel.header",
            )
        keeps = match[2] == KEPT and match[1] in stored
        found[match[1]] = None if keeps else match[2]
    if len(found) > MOST_HEADERS:
        raise ResourceWrong(f"At most {MOST_HEADERS} headers are sent.", expression="Subscription.channel.header")
    return found


def _end(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or at <= now:
        raise ResourceWrong("The end is a moment to come, with its zone.", expression="Subscription.end")
    return at.astimezone(UTC)


def rendered(row: Subscription) -> Resource:
    """Return a subscription as a resource."""
    made: Resource = {
        "resourceType": "Subscription",
        "id": str(row.pk),
        "status": row.state,
        "reason": row.reason,
        "criteria": row.criteria,
        "channel": channel_of(row),
    }
    if row.ends_at is not None:
        made["end"] = as_utc(row.ends_at)
    return made | ({"error": row.error} if row.error else {})


def require_own_token(access: Access) -> int:
    """Return the token of a request: a subscription lives and dies with one. Raises Forbidden."""
    if access.token_id is None:
        raise Forbidden
    return access.token_id
