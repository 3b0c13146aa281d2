"""OperationOutcome: the one shape in which everything that is refused is answered."""

from __future__ import annotations

from compliance.fhir.entries import Resource
from compliance.fhir.errors import FhirError


def outcome(severity: str, code: str, words: str, expression: str = "") -> Resource:
    """Return an OperationOutcome with one issue."""
    issue: Resource = {"severity": severity, "code": code, "diagnostics": words}
    if expression:
        issue["expression"] = [expression]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def outcome_of(error: FhirError) -> Resource:
    """Return the OperationOutcome of a refusal."""
    severity = "fatal" if error.http_status >= 500 else "error"
    return outcome(severity, error.issue, error.message, error.expression)
