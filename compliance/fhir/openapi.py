"""An OpenAPI description, written from the registry: for tools that call, test or document the API."""

from __future__ import annotations

from typing import Any

from compliance.fhir.parameters import Kind, Parameter
from compliance.fhir.query import SUMMARIES, TOTALS
from compliance.fhir.registry import ResourceType, registered

Description = dict[str, Any]
FHIR_JSON = "application/fhir+json"
EXAMPLES = {
    Kind.TOKEN: "http://loinc.org|8867-4",
    Kind.DATE: "ge2026-01-01",
    Kind.REFERENCE: "Patient/00000000-0000-4000-8000-000000000000",
    Kind.STRING: "a",
    Kind.QUANTITY: "gt5",
}
STATUSES = (
    "200",
    "201",
    "204",
    "304",
    "400",
    "401",
    "403",
    "404",
    "405",
    "406",
    "409",
    "410",
    "412",
    "413",
    "415",
    "422",
    "429",
)


HISTORY: list[Description] = [
    {"name": "_since", "in": "query", "schema": {"type": "string"}, "example": "2026-01-31T08:00:00Z"},
    {"name": "_at", "in": "query", "schema": {"type": "string"}, "example": "2026-01-31"},
    {"name": "_count", "in": "query", "schema": {"type": "integer", "minimum": 0}},
    {"name": "_page", "in": "query", "schema": {"type": "string"}},
]
KICK_OFF: list[Description] = [
    {"name": "_type", "in": "query", "schema": {"type": "string"}, "example": "Patient,Observation"},
    {"name": "_since", "in": "query", "schema": {"type": "string"}, "example": "2026-01-31T08:00:00Z"},
    {"name": "_outputFormat", "in": "query", "schema": {"type": "string"}, "example": "application/fhir+ndjson"},
    {"name": "Prefer", "in": "header", "schema": {"type": "string", "enum": ["respond-async"]}},
]


def openapi_description(base: str) -> Description:
    """Return the description of every path."""
    paths: Description = {
        "/metadata": {"get": _operation("The CapabilityStatement", public=True)},
        "/openapi.json": {"get": _operation("This description", public=True)},
        "/": {"post": _operation("Run a batch or transaction", body="Bundle")},
    }
    for one in registered().values():
        paths |= _paths(one)
    paths |= _exports() | _tokens()
    return {
        "openapi": "3.0.3",
        "info": {"title": "Medtwin FHIR API", "version": "0.1.0"},
        "servers": [{"url": base}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Resource": {
                    "type": "object",
                    "required": ["resourceType"],
                    "properties": {"resourceType": {"type": "string"}},
                }
            },
        },
    }


def _paths(one: ResourceType) -> Description:
    search = [_query(parameter) for parameter in one.parameters if not parameter.sensitive] + _common(one)
    instance = {"get": _operation(f"Read a {one.name}", [_path("id")])}
    collection = {"get": _operation(f"Search {one.name}", search)}
    if one.creates:
        collection["post"] = _operation(f"Create a {one.name}", body=one.name)
    if one.updates:
        instance["put"] = _operation(f"Update a {one.name}", [_path("id")], body=one.name)
    if one.deletes:
        instance["delete"] = _operation(f"Delete a {one.name}", [_path("id")])
    made = {
        f"/{one.name}": collection,
        f"/{one.name}/_search": {"post": _operation(f"Search {one.name} by POST", form=_names(one))},
        f"/{one.name}/{{id}}": instance,
        f"/{one.name}/{{id}}/_history/{{vid}}": {
            "get": _operation(f"Read a version of a {one.name}", [_path("id"), _path("vid")])
        },
    }
    if one.history_kept:
        made[f"/{one.name}/{{id}}/_history"] = {"get": _operation(f"History of a {one.name}", [_path("id"), *HISTORY])}
        made[f"/{one.name}/_history"] = {"get": _operation(f"History of every {one.name}", [*HISTORY])}
    return made


def _exports() -> Description:
    """Bulk exports: kick-off, status, files."""
    job, file = _path("export"), _path("file")
    return {
        "/$export": {"get": _operation("Export everything in reach", [*KICK_OFF])},
        "/Patient/$export": {"get": _operation("Export what belongs to patients", [*KICK_OFF])},
        "/Group/{id}/$export": {"get": _operation("Export what belongs to a ward", [_path("id"), *KICK_OFF])},
        "/$export-status/{export}": {
            "get": _operation("How far an export is", [job]),
            "delete": _operation("Cancel an export, or remove its files", [job]),
        },
        "/$export-status/{export}/{file}.ndjson": {"get": _operation("A file of an export", [job, file])},
    }


def _tokens() -> Description:
    made: Description = {
        "/.well-known/smart-configuration": {"get": _operation("Where tokens are had", public=True)},
        "/token": {"post": _operation("A token for a signed assertion", form=(), public=True)},
        "/introspect": {"post": _operation("What one of one's own tokens may do", form=("token",))},
        "/revoke": {"post": _operation("End a token that one holds", form=("token",), public=True)},
    }
    return made


def _names(one: ResourceType) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in one.parameters)


def _operation(
    summary: str,
    parameters: list[Description] | None = None,
    *,
    body: str = "",
    form: tuple[str, ...] | None = None,
    public: bool = False,
) -> Description:
    made: Description = {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {status: _response() for status in STATUSES},
    }
    if not public:
        made["security"] = [{"bearer": []}]
    if body:
        schema: Description = {"$ref": "#/components/schemas/Resource"}
        made["requestBody"] = {"required": True, "content": {FHIR_JSON: {"schema": schema}}}
    if form is not None:
        properties = {name: {"type": "string"} for name in form}
        schema = {"type": "object", "properties": properties}
        made["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}
    return made


def _response() -> Description:
    return {
        "description": "A resource, a Bundle, or an OperationOutcome that says why not",
        "content": {FHIR_JSON: {"schema": {"$ref": "#/components/schemas/Resource"}}},
    }


def _path(name: str) -> Description:
    pattern = {"type": "string", "minLength": 1, "maxLength": 64}
    return {"name": name, "in": "path", "required": True, "schema": pattern}


def _query(parameter: Parameter) -> Description:
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.about,
        "schema": {"type": "string"},
        "example": EXAMPLES[parameter.kind],
    }


def _common(one: ResourceType) -> list[Description]:
    includes = [f"{one.name}:{name}" for name in one.includes]
    values: dict[str, Description] = {
        "_id": {"type": "string"},
        "_count": {"type": "integer", "minimum": 0},
        "_sort": {"type": "string", "enum": [sign + name for name in one.sorts for sign in ("", "-")]},
        "_summary": {"type": "string", "enum": sorted(SUMMARIES)},
        "_total": {"type": "string", "enum": sorted(TOTALS)},
        "_elements": {"type": "string"},
        "_page": {"type": "string"},
    }
    if one.dated:
        values["_lastUpdated"] = {"type": "string"}
    if includes:
        values["_include"] = {"type": "string", "enum": includes}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in values.items()]
