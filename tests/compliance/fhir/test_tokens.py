"""Bearer tokens: what they may do at most, and when they end."""

from __future__ import annotations

import json
from datetime import timedelta

import jwt
import pytest
from django.utils import timezone

from compliance.models import ApiToken
from compliance.services.tokens import issue_personal, revoke_token
from tests.compliance.fhir.conftest import Caller, statement_of
from tests.compliance.fhir.services import ask, assertion
from tests.conftest import sign_in


def test_a_token_ends_when_it_is_revoked_or_expires_or_its_person_leaves(cast, token_of, patient) -> None:
    nurse = cast["nurse"]
    caller = token_of(nurse)
    assert caller.get("Patient").status == 200
    revoke_token(token=ApiToken.objects.get(), user=nurse, now=timezone.now())
    refused = caller.get("Patient")
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    old = issue_personal(
        user=nurse, label="x", scopes="user/*.rs", lasts=timedelta(hours=1), now=timezone.now() - timedelta(hours=2)
    )
    assert Caller(old.secret).get("Patient").status == 401
    fresh = token_of(nurse)
    nurse.is_active = False
    nurse.save()
    assert fresh.get("Patient").status == 401


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer x", "Basic eDp5", "Bearer mtp_", "Bearer mtp_é", "Bearer " + "m" * 5000]
)
def test_what_is_no_token_is_refused(db, header: str) -> None:
    assert Caller().get("Patient", Authorization=header).status == 401


def test_only_a_digest_is_kept(cast) -> None:
    issued = issue_personal(
        user=cast["nurse"], label="x", scopes="user/*.rs", lasts=timedelta(hours=1), now=timezone.now()
    )
    assert issued.secret not in json.dumps([str(value) for value in ApiToken.objects.values_list().get()])


def test_rights_and_scopes_must_both_allow(cast, token_of, regimen) -> None:
    reading = token_of(cast["nurse"], "user/MedicationStatement.rs")
    assert reading.post("MedicationStatement", statement_of(regimen)).status == 403
    caregiver = token_of(cast["caregiver"])
    assert caregiver.post("MedicationStatement", statement_of(regimen)).status == 403
    assert token_of(cast["administrator"]).get("MedicationRequest").status == 403
    assert token_of(cast["outsider"]).get("Patient").status == 403


def test_a_token_for_one_patient_reaches_no_other(cast, token_of, patient, ward) -> None:
    from tests.conftest import _patient

    other = _patient(ward, "T-002", "Grace", "Hopper")
    caller = token_of(cast["nurse"], "patient/*.rs", patient)
    assert caller.get("Patient").ids() == [f"Patient/{patient.pk}"]
    assert caller.get(f"Patient/{other.pk}").status == 404
    assert token_of(cast["nurse"], "patient/*.rs").get("Patient").status == 403


def test_a_refused_token_is_told_how_to_ask(db, client, service) -> None:
    """Unknown, forged, of another maker, expired: 401, WWW-Authenticate and an OperationOutcome."""
    nobody = Caller().get("Patient")
    assert (nobody.status, nobody.headers["WWW-Authenticate"]) == (401, 'Bearer realm="Medtwin FHIR"')
    given = ask(client, assertion(service)).json()["access_token"]
    foreign = jwt.encode({"aud": "https://elsewhere.example/fhir", "sub": "x"}, "k" * 32, algorithm="HS256")
    ApiToken.objects.update(expires_at=timezone.now(), created_at=timezone.now() - timedelta(minutes=6))
    for secret in (given, given[:-1] + "x", foreign, "mtc_" + "é" * 40):
        refused = Caller(secret).get("Patient") if secret.isascii() else Caller("mtc_x").get("Patient")
        assert refused.status == 401
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
        assert refused.body["issue"][0]["code"] == "login"


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [
        ("user/Observation.rs", True, False),
        ("user/Observation.read", True, False),
        ("user/Observation.write", False, True),
        ("user/Observation.c", False, True),
        ("user/*.*", True, True),
        ("user/Patient.cruds", False, False),
    ],
)
def test_scopes_of_both_versions_narrow_and_never_widen(cast, token_of, patient, scopes, reads, writes) -> None:
    from tests.devices.fhir.test_observations import post_external

    caller = token_of(cast["nurse"], scopes)
    assert (caller.get("Observation").status == 200) == reads
    assert (post_external(caller, patient).status == 201) == writes
    assert token_of(cast["trainer"], scopes).get("AuditEvent").status == 403
    assert post_external(token_of(cast["trainer"], scopes), patient).status in {403, 422}


def introspected(caller: Caller, token: str) -> dict:
    return caller.client.post(
        "/fhir/introspect", f"token={token}", content_type="application/x-www-form-urlencoded", headers=caller.headers
    ).json()


def test_a_token_is_described_to_its_owner_alone_and_ended_by_who_holds_it(cast, client) -> None:
    now, day = timezone.now(), timedelta(days=1)
    mine, other = (
        issue_personal(user=cast[role], label="x", scopes="user/*.rs", lasts=day, now=now).secret
        for role in ("nurse", "physician")
    )
    told = introspected(Caller(mine), mine)
    assert (told["active"], told["scope"], told["token_type"]) == (True, "user/*.rs", "bearer")
    assert told["exp"] - told["iat"] == 86_400
    assert introspected(Caller(mine), other) == {"active": False}
    assert introspected(Caller(mine), "mtp_nothing") == {"active": False}
    assert Caller()("POST", "introspect", {}).status == 401
    assert Caller(mine)("POST", "introspect", {"token": other}).status == 415

    def end(token: str) -> int:
        form = "application/x-www-form-urlencoded"
        return client.post("/fhir/revoke", f"token={token}", content_type=form).status_code

    assert end(other) == end(other) == end("nonsense") == 200
    assert introspected(Caller(mine), other) == {"active": False}
    assert Caller(other).get("Patient").status == 401
    assert Caller(mine).get("Patient").status == 200


def test_a_session_reads_and_does_not_write(client, cast, patient, regimen) -> None:
    sign_in(client, cast["nurse"])
    assert client.get(f"/fhir/Patient/{patient.pk}").status_code == 200
    body = json.dumps(statement_of(regimen))
    assert client.post("/fhir/MedicationStatement", body, content_type="application/fhir+json").status_code == 403
    assert client.get("/fhir/MedicationStatement").json()["total"] == 0
