"""People with tokens, a patient with medication, and a caller that checks every answer against the R4B models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.compliance.fhir.services import jwks

EVERYTHING = "user/*.cruds"


@dataclass
class Answered:
    """One answer: status, body, headers."""

    status: int
    body: dict
    headers: dict

    def ids(self, mode: str = "match") -> list[str]:
        """Return the references of a Bundle's entries of one mode."""
        return [
            f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
            for entry in self.body.get("entry", [])
            if entry["search"]["mode"] == mode
        ]

    def link(self, relation: str) -> str | None:
        """Return a link of a Bundle."""
        return next((link["url"] for link in self.body["link"] if link["relation"] == relation), None)

    @property
    def why(self) -> str:
        """Return what an OperationOutcome says."""
        return self.body["issue"][0]["diagnostics"]


class Caller:
    """Calls the API with a token. Whatever comes back must be a valid resource of R4B."""

    def __init__(self, secret: str = "") -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def __call__(self, method: str, path: str, body=None, **headers: str) -> Answered:
        url = path if path.startswith("http") else f"/fhir/{path}"
        content: dict = {}
        if body is not None:
            content = {"data": json.dumps(body), "content_type": "application/fhir+json"}
        response = self.client.generic(method, url, headers={**self.headers, **headers}, **content)
        return _checked(response)

    def get(self, path: str, **headers: str) -> Answered:
        return self("GET", path, **headers)

    def post(self, path: str, body, **headers: str) -> Answered:
        return self("POST", path, body, **headers)

    def put(self, path: str, body, **headers: str) -> Answered:
        return self("PUT", path, body, **headers)

    def search(self, resource_type: str, **form: str) -> Answered:
        """Search by POST."""
        response = self.client.post(f"/fhir/{resource_type}/_search", form_body(form), FORM, headers=self.headers)
        return _checked(response)

    def walk(self, path: str) -> list[str]:
        """Return the references of every page."""
        page = self.get(path)
        found = page.ids()
        while page.link("next"):
            page = self.get(page.link("next"))
            found += page.ids()
        return found


FORM = "application/x-www-form-urlencoded"


def form_body(form: dict[str, str]) -> str:
    from urllib.parse import urlencode

    return urlencode(form)


def _checked(response) -> Answered:
    assert response.status_code < 500, response.content
    body = {}
    if response.content:
        assert response["Content-Type"].startswith("application/fhir+json"), response["Content-Type"]
        body = json.loads(response.content)
        validate(body)
    if response.status_code >= 400:
        assert body.get("resourceType") == "OperationOutcome", body
    return Answered(response.status_code, body, dict(response.items()))


def validate(body: dict) -> None:
    """Fail unless the resource, and everything in it, is valid R4B."""
    from fhir.resources.R4B import get_fhir_model_class

    if "resourceType" in body:
        get_fhir_model_class(body["resourceType"]).model_validate(body)


@pytest.fixture
def token_of(db):
    """Return a maker of callers: `token_of(user, "user/*.rs")`."""
    from compliance.services.tokens import issue_personal

    def make(user, scopes: str = EVERYTHING, patient=None) -> Caller:
        now = timezone.now()
        issued = issue_personal(
            user=user, label="test", scopes=scopes, lasts=timedelta(days=1), now=now, patient=patient, proved_at=now
        )
        return Caller(issued.secret)

    return make


@pytest.fixture
def nurse(cast, token_of) -> Caller:
    return token_of(cast["nurse"])


@pytest.fixture
def service(cast, ward):
    """A backend service that may read patients."""
    from compliance.policy import Role
    from compliance.services.fhir_clients import register_client

    return register_client(
        name="Warehouse", jwks=jwks(), scopes="system/Patient.rs", ward=ward, role=Role.NURSE,
        by=cast["administrator"], now=timezone.now() - timedelta(minutes=1),
    )  # fmt: skip


@pytest.fixture
def regimen(patient):
    return make_regimen(patient)


def make_regimen(patient):
    """A regimen with one dose that is open now, one that was missed, and one still to come."""
    from compliance.models import Medication, Regimen, ScheduledDose

    now = timezone.now()
    medication, _ = Medication.objects.get_or_create(name="Metoprolol", strength="50 mg", unit_weight_g=0.2)
    regimen = Regimen.objects.create(
        patient=patient, medication=medication, times=["08:00", "20:00"], weekdays=[0, 1], starts_on=now.date()
    )
    for hours, state in ((-24, "missed"), (0, "pending"), (24, "pending")):
        due = now + timedelta(hours=hours)
        ScheduledDose.objects.create(
            regimen=regimen, patient=patient, due_at=due, opens_at=due - timedelta(hours=1),
            closes_at=due + timedelta(hours=1), local_date=due.date(), state=state, changed_at=now,
        )  # fmt: skip
    return regimen


def statement_of(regimen, **changed) -> dict:
    """A MedicationStatement that says a dose of the regimen was taken now."""
    return {
        "resourceType": "MedicationStatement",
        "status": "completed",
        "basedOn": [{"reference": f"MedicationRequest/{regimen.pk}"}],
        "medicationCodeableConcept": {"text": "Metoprolol 50 mg tablet"},
        "subject": {"reference": f"Patient/{regimen.patient_id}"},
        "effectiveDateTime": timezone.now().isoformat(),
        **changed,
    }
