"""Bodies on their way in: size, media type, JSON, depth, and then the R4B model of the resource."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, RawPostDataException

from compliance.fhir.entries import Resource
from compliance.fhir.errors import BodyTooLarge, MediaTypeWrong, RequestWrong, ResourceWrong

LARGEST = 1024 * 1024  # bytes
DEEPEST = 24
MOST_NODES = 50_000
MEDIA_TYPES = {"application/fhir+json", "application/json"}


def read_json(request: HttpRequest) -> Resource:
    """Return the body as a JSON object. Raises MediaTypeWrong, BodyTooLarge, RequestWrong."""
    content_type = (request.content_type or "").lower()
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    if content_type not in MEDIA_TYPES or charset not in {"utf-8", "utf8"}:
        raise MediaTypeWrong
    return parse(raw_body(request))


def raw_body(request: HttpRequest) -> bytes:
    """Return the body. Raises BodyTooLarge, without reading more than the limit where the length is told."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isdigit() and int(declared) > LARGEST:
        raise BodyTooLarge(f"A body has at most {LARGEST // 1024} KiB.")
    try:
        body = request.body
    except (RequestDataTooBig, RawPostDataException) as error:
        raise BodyTooLarge from error
    if len(body) > LARGEST:
        raise BodyTooLarge(f"A body has at most {LARGEST // 1024} KiB.")
    return body


def parse(body: bytes) -> Resource:
    """Return a JSON object whose names are unique, whose numbers are finite and whose text can be stored.

    Raises RequestWrong.
    """
    try:
        read = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_integer
        )
    except RecursionError as error:
        raise RequestWrong("The body is nested too deeply.") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise RequestWrong("The body is not JSON in UTF-8.") from error
    if not isinstance(read, dict):
        raise RequestWrong("The body is not a JSON object.")
    _check(read)
    return read


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made


def _refuse_constant(_name: str) -> None:
    raise ValueError("not a number")


def _integer(digits: str) -> int:
    if len(digits) > 20:  # no FHIR integer has more, and reading thousands of digits costs seconds
        raise ValueError("this number is too long")
    return int(digits)


def _check(root: Resource) -> None:
    """Walk without recursion: depth, number of nodes, no NUL, no lone surrogate, no infinity."""
    waiting: list[tuple[Any, int]] = [(root, 1)]
    nodes = 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        if depth > DEEPEST or nodes > MOST_NODES:
            raise RequestWrong("The body is nested too deeply or holds too much.")
        if isinstance(value, dict):
            waiting += [(inner, depth + 1) for inner in value.values()]
            waiting += [(name, depth + 1) for name in value]
        elif isinstance(value, list):
            waiting += [(inner, depth + 1) for inner in value]
        elif isinstance(value, str) and ("\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
            raise RequestWrong("The body holds a character that cannot be stored.")
        elif isinstance(value, float) and value in {float("inf"), float("-inf")}:
            raise RequestWrong("The body holds a number that is out of range.")


@cache
def model_of(resource_type: str) -> Any:
    """Return the R4B model of a resource type; the models load when the first one is needed."""
    from fhir.resources.R4B import get_fhir_model_class

    return get_fhir_model_class(resource_type)


def validate(resource: Resource, resource_type: str) -> Resource:
    """Return the resource as its R4B model writes it. Raises RequestWrong for another type, ResourceWrong otherwise."""
    from pydantic import ValidationError

    if resource.get("resourceType") != resource_type:
        raise RequestWrong(f"The body must be a {resource_type}.", expression="resourceType")
    try:
        model = model_of(resource_type).model_validate(resource)
        valid: Resource = json.loads(model.model_dump_json())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise ResourceWrong(_why(first["type"], first["msg"]), expression=f"{resource_type}.{path}"[:200]) from error
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, AssertionError) as error:
        # The library's own checks raise these for shapes it did not foresee; to the sender they are all one thing.
        raise ResourceWrong(f"This is not a valid {resource_type} of FHIR R4B.") from error
    if missing := sorted(required_elements(resource_type) - set(valid)):  # a null slips through the models
        raise ResourceWrong("A required element is missing.", expression=f"{resource_type}.{missing[0]}")
    return valid


@cache
def required_elements(resource_type: str) -> frozenset[str]:
    """Return the elements that no resource of this type is without, but for those that come in several types."""
    fields = model_of(resource_type).model_fields
    return frozenset(
        field.alias or name
        for name, field in fields.items()
        if field.is_required() or (field.json_schema_extra or {}).get("element_required")
    )


def _why(kind: str, message: str) -> str:
    """Return the validator's sentence, without what it may quote of the input."""
    if kind == "extra_forbidden":
        return "FHIR R4B has no such element here."
    if kind == "missing" or "required" in kind:
        return "A required element is missing."
    return "The value of this element is not what FHIR R4B allows." if "'" in message or "`" in message else message
