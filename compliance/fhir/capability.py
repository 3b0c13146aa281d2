"""The CapabilityStatement, written from the registry, so that it cannot promise what is not there."""

from __future__ import annotations

from compliance.fhir.entries import Resource
from compliance.fhir.parameters import Kind
from compliance.fhir.registry import ResourceType, registered

FHIR_VERSION = "4.3.0"  # R4B, which the models are; of the types served here R4 4.0.1 has the same elements
SINCE = "2026-01-01"
BULK = "http://hl7.org/fhir/uv/bulkdata"
SMART = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def capability_statement(base: str) -> Resource:
    """Return what this server offers."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": SINCE,
        "kind": "instance",
        "software": {"name": "Medtwin", "version": "0.1.0"},
        "implementation": {"description": "Medtwin's FHIR API", "url": base},
        "instantiates": [f"{BULK}/CapabilityStatement/bulk-data"],
        "fhirVersion": FHIR_VERSION,
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "A person's rights and the token's scopes must both allow a request. Unknown search "
                "parameters are refused unless the client sends 'Prefer: handling=lenient'.",
                "security": _security(base),
                "resource": [*(_resource(one) for one in registered().values()), _group()],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
                "operation": [{"name": "export", "definition": f"{BULK}/OperationDefinition/export"}],
            }
        ],
    }


def _group() -> Resource:
    """Wards are groups that can be exported, and nothing else."""
    return {
        "type": "Group",
        "documentation": "A ward, by its number.",
        "operation": [{"name": "export", "definition": f"{BULK}/OperationDefinition/group-export"}],
    }


def _security(base: str) -> Resource:
    service = "http://terminology.hl7.org/CodeSystem/restful-security-service"
    return {
        "cors": False,
        "service": [{"coding": [{"system": service, "code": "SMART-on-FHIR"}]}],
        "extension": [
            {
                "url": SMART,
                "extension": [
                    {"url": name, "valueUri": f"{base}/{path}"}
                    for name, path in (("token", "token"), ("introspect", "introspect"), ("revoke", "revoke"))
                ],
            }
        ],
    }


def _resource(one: ResourceType) -> Resource:
    made: Resource = {
        "type": one.name,
        "documentation": f"{one.about} Versions: {one.versions}",
        "interaction": [{"code": code} for code in one.interactions],
        "versioning": "versioned",
        "readHistory": one.history_kept,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalRead": "not-match",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "searchParam": [
            {"name": parameter.name, "type": parameter.kind.value, "documentation": parameter.about}
            for parameter in one.parameters
        ]
        + [{"name": "_id", "type": "token", "documentation": "The logical id"}],
    }
    if one.name == "Patient":
        made["operation"] = [{"name": "export", "definition": f"{BULK}/OperationDefinition/patient-export"}]
    if one.dated:
        made["searchParam"].append({"name": "_lastUpdated", "type": Kind.DATE.value})
    if one.includes:
        made["searchInclude"] = [f"{one.name}:{name}" for name in one.includes]
    if pointing := revincludes(one):
        made["searchRevInclude"] = pointing
    return made


def revincludes(one: ResourceType) -> list[str]:
    """Return what `_revinclude` may name for a type."""
    return [
        f"{source.name}:{name}"
        for source in registered().values()
        for name in source.includes
        if one.name in source.parameter(name).targets  # type: ignore[union-attr]
    ]
