"""From an answer or a refusal to HTTP: FHIR's JSON, and an OperationOutcome for everything that is refused."""

from __future__ import annotations

import json

from django.http import HttpResponse

from compliance.fhir.errors import FhirError
from compliance.fhir.interactions import Answer
from compliance.fhir.outcome import outcome_of

FHIR_JSON = "application/fhir+json"


def respond(answer: Answer) -> HttpResponse:
    """Return an answer in FHIR's JSON."""
    body = b"" if answer.resource is None else json.dumps(answer.resource, ensure_ascii=False).encode()
    response = HttpResponse(body, status=answer.status, content_type=f"{FHIR_JSON}; charset=utf-8")
    for name, value in answer.headers.items():
        response[name] = value
    return response


def refusal(error: FhirError) -> HttpResponse:
    """Return a refusal in FHIR's JSON."""
    return respond(Answer(error.http_status, outcome_of(error), error.headers))
