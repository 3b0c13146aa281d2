"""Backend services: which assertions buy a token, for what, and when that ends."""

from __future__ import annotations

import json
import time
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from compliance.policy import Role
from compliance.services.fhir_clients import ClientRefused, check_jwks, register_client, revoke_client
from tests.compliance.fhir.conftest import Caller
from tests.compliance.fhir.services import AUDIENCE, KEY, OTHER_KEY, ask, assertion, jwks


def test_a_service_gets_a_short_token_for_what_it_was_registered(client, service, patient) -> None:
    answer = ask(client, assertion(service), "system/*.cruds system/Patient.rs")
    assert answer.status_code == 200, answer.content
    given = answer.json()
    assert (given["token_type"], given["expires_in"], given["scope"]) == ("bearer", 300, "system/Patient.rs")
    caller = Caller(given["access_token"])
    assert caller.get(f"Patient/{patient.pk}").status == 200
    assert caller.get("MedicationRequest").status == 403


def test_an_assertion_buys_one_token(client, service) -> None:
    signed = assertion(service)
    assert ask(client, signed).status_code == 200
    assert ask(client, signed).status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "http://elsewhere.example/token"},
        {"exp": 1},
        {"exp": int(time.time()) + 86_400},
        {"exp": "soon"},
        {"sub": "somebody"},
        {"iss": str(uuid.uuid4())},
        {"iss": 5},
        {"jti": ""},
        {"jti": "x" * 200},
        {"jti": ["x"]},
        {"jti": "\0"},
        {"nbf": int(time.time()) + 86_400},
    ],
)
def test_a_wrong_claim_is_refused(client, service, changed: dict) -> None:
    claims = {
        "iss": str(service.pk), "sub": changed.get("iss", str(service.pk)), "aud": AUDIENCE, "jti": "x",
        "exp": int(time.time()) + 200,
    }  # fmt: skip
    signed = _unchecked(claims | changed)
    answer = ask(client, signed)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


def _unchecked(claims: dict) -> str:
    """Sign claims that the library would not let pass on its own."""
    return jwt.api_jws.encode(json.dumps(claims).encode(), KEY, algorithm="ES384", headers={"kid": "one"})


def test_a_wrong_signature_is_refused(client, service) -> None:
    assert ask(client, assertion(service, key=OTHER_KEY)).status_code == 401
    assert ask(client, assertion(service, kid="two")).status_code == 401
    assert ask(client, assertion(service, key="", algorithm="none")).status_code == 401
    assert ask(client, assertion(service, key=b"x" * 64, algorithm="HS256")).status_code == 401
    for nonsense in ("", "x", "a.b.c", "\0", "é" * 50, "a." * 4000):
        assert ask(client, nonsense).status_code in {400, 401}, nonsense[:10]


def test_an_rsa_key_works_too_and_a_weak_one_does_not(client, cast, ward) -> None:
    key = rsa.generate_private_key(65537, 2048)
    service = register_client(
        name="Lab", jwks=jwks(key, RSAAlgorithm), scopes="system/*.rs", ward=ward, role=Role.NURSE,
        by=cast["administrator"], now=timezone.now(),
    )  # fmt: skip
    assert ask(client, assertion(service, key=key, algorithm="RS384")).status_code == 200
    assert ask(client, assertion(service, key=key, algorithm="RS256")).status_code == 401
    with pytest.raises(ClientRefused):
        check_jwks(jwks(rsa.generate_private_key(65537, 1024), RSAAlgorithm))


@pytest.mark.parametrize(
    "keys", [None, {}, {"keys": []}, {"keys": [1]}, jwks(kid=""), jwks(kty="oct"), jwks(crv="P-256")]
)
def test_a_key_set_that_is_none_is_refused(keys) -> None:
    with pytest.raises(ClientRefused):
        check_jwks(keys)


def test_a_private_key_is_refused() -> None:
    private = json.loads(ECAlgorithm.to_jwk(KEY)) | {"kid": "one"}
    with pytest.raises(ClientRefused, match="private"):
        check_jwks({"keys": [private]})


def test_scopes_beyond_the_registration_are_not_given(client, service) -> None:
    for scope in (
        "system/Observation.rs",
        "user/Patient.rs",
        "system/Patient.cruds",
        "",
        "nonsense",
        "system/Nothing.rs",
    ):
        answer = ask(client, assertion(service), scope)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope"), scope


def test_a_revoked_service_and_its_tokens_end_at_once(client, service, cast, patient) -> None:
    caller = Caller(ask(client, assertion(service)).json()["access_token"])
    assert caller.get(f"Patient/{patient.pk}").status == 200
    revoke_client(client=service, by=cast["administrator"], now=timezone.now())
    assert caller.get(f"Patient/{patient.pk}").status == 401
    service.refresh_from_db()
    assert ask(client, assertion(service)).status_code == 401


def test_where_tokens_are_had_is_public(client, db) -> None:
    told = client.get("/fhir/.well-known/smart-configuration").json()
    assert told["token_endpoint"] == AUDIENCE


def test_who_refuses_sharing_outside_is_not_there_for_a_client_that_shares(
    client, cast, ward, patient, regimen
) -> None:
    from compliance.models import Consent

    service = register_client(
        name="Registry", jwks=jwks(), scopes="system/*.rs", ward=ward, role=Role.NURSE, by=cast["administrator"],
        now=timezone.now(), shares_outside=True,
    )  # fmt: skip
    Consent.objects.create(
        patient=patient, purpose="share_external", given=True, how="form", text_version="1", at=timezone.now()
    )
    caller = Caller(ask(client, assertion(service), "system/*.rs").json()["access_token"])
    assert caller.get("Patient").ids() == [f"Patient/{patient.pk}"]
    Consent.objects.create(
        patient=patient, purpose="share_external", given=False, how="form", text_version="1", at=timezone.now()
    )
    assert caller.get("Patient").ids() == []
    assert caller.get(f"Patient/{patient.pk}").status == 404
    assert caller.get("MedicationRequest").ids() == []
