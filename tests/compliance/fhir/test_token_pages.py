"""The page of tokens and services."""

from __future__ import annotations

import json
import re

import pytest

from compliance.models import ApiToken, FhirClient
from tests.compliance.fhir.conftest import Caller
from tests.compliance.fhir.services import jwks
from tests.conftest import sign_in


def test_a_token_is_made_on_the_page_and_shown_once(fresh_client, cast, patient) -> None:
    client = fresh_client(cast["nurse"])
    page = client.post("/tokens/", {"label": "my script", "scopes": "user/*.read", "days": 7})
    secret = re.search(r"mtp_[\w-]+", page.content.decode())[0]
    assert Caller(secret).get(f"Patient/{patient.pk}").status == 200
    again = client.get("/tokens/").content.decode()
    assert secret not in again
    assert "my script" in again
    token = ApiToken.objects.get()
    assert token.scopes == "user/*.rs"
    client.post(f"/tokens/{token.pk}/revoke/")
    assert Caller(secret).get(f"Patient/{patient.pk}").status == 401


def test_making_a_token_needs_a_fresh_second_factor(client, cast) -> None:
    sign_in(client, cast["nurse"])
    assert client.get("/tokens/").status_code == 200
    assert client.post("/tokens/", {"label": "x", "scopes": "user/*.rs", "days": 7}).status_code in {302, 403}
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"scopes": "system/*.rs"},
        {"scopes": "nonsense"},
        {"scopes": "user/Nothing.rs"},
        {"scopes": ""},
        {"days": 9999},
        {"label": ""},
        {"patient": "00000000-0000-4000-8000-000000000000"},
        {"scopes": "patient/*.rs"},
    ],
)
def test_a_token_that_cannot_be_is_refused_on_the_page(fresh_client, cast, changed: dict) -> None:
    wanted = {"label": "x", "scopes": "user/*.rs", "days": 7} | changed
    assert fresh_client(cast["nurse"]).post("/tokens/", wanted).status_code == 400
    assert not ApiToken.objects.exists()


def test_nobody_revokes_the_token_of_another(fresh_client, cast, token_of) -> None:
    caller = token_of(cast["physician"])
    fresh_client(cast["nurse"]).post(f"/tokens/{ApiToken.objects.get().pk}/revoke/")
    assert caller.get("Patient").status == 200


def test_an_administrator_registers_a_service_on_the_page(fresh_client, cast, ward, other_ward) -> None:
    client = fresh_client(cast["administrator"])
    wanted = {
        "name": "Warehouse", "role": "nurse", "ward": ward.pk, "scopes": "system/*.rs", "jwks": json.dumps(jwks())
    }  # fmt: skip
    assert client.post("/tokens/clients/", wanted | {"ward": other_ward.pk}).status_code == 400
    assert client.post("/tokens/clients/", wanted | {"role": "none"}).status_code == 400
    assert client.post("/tokens/clients/", wanted | {"jwks": "[" * 9000}).status_code == 400
    assert client.post("/tokens/clients/", wanted).status_code == 302
    made = FhirClient.objects.get()
    assert not made.account.has_usable_password()
    assert "Warehouse" in client.get("/tokens/").content.decode()
    assert client.post("/tokens/clients/", wanted).status_code == 400
    client.post(f"/tokens/clients/{made.pk}/revoke/")
    made.refresh_from_db()
    assert made.revoked_at is not None
