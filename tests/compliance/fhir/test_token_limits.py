"""How often one may ask: by token, by entry of a Bundle, by address."""

from __future__ import annotations

import time

import pytest

from compliance.models import ApiToken
from compliance.services.rates import Limit
from tests.compliance.fhir.conftest import Caller

ENOUGH_S = 20.0  # for the requests of one test, on a busy machine


@pytest.fixture(autouse=True)
def _early_in_a_minute():
    """Requests are counted by the minute of the clock: what is counted together has to fall into one."""
    if (left_s := 60.0 - time.time() % 60.0) < ENOUGH_S:
        time.sleep(left_s)


def test_asking_too_often_is_answered_with_when_to_come_back(cast, token_of, monkeypatch) -> None:
    monkeypatch.setattr("compliance.services.tokens.PER_MINUTE", 3)
    caller = token_of(cast["nurse"])
    answers = [caller.get("Patient") for _ in range(8)]
    limited = [answer for answer in answers if answer.status == 429]
    assert len(limited) >= 2
    assert 0 < int(limited[0].headers["Retry-After"]) <= 60


def test_each_entry_of_a_bundle_counts(cast, token_of, monkeypatch) -> None:
    monkeypatch.setattr("compliance.services.tokens.PER_MINUTE", 7)
    caller = token_of(cast["nurse"])
    search = {"request": {"method": "GET", "url": "Patient"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [search] * 5}
    assert caller.post("", bundle).status == 200
    refused = caller.post("", bundle)
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert ApiToken.objects.get().requests == 6


def test_wrong_tokens_are_limited_by_address_and_hold_up_no_right_one(cast, token_of, monkeypatch) -> None:
    monkeypatch.setattr("compliance.fhir.authentication.WRONG_TOKENS", Limit("wrong-tokens", 3))
    wrong = [Caller("mtp_" + "x" * 43).get("Patient") for _ in range(5)]
    assert [answer.status for answer in wrong] == [401, 401, 401, 429, 429]
    assert 1 <= int(wrong[-1].headers["Retry-After"]) <= 60
    assert wrong[-1].body["issue"][0]["code"] == "throttled"
    assert token_of(cast["nurse"]).get("Patient").status == 200


def test_asking_for_tokens_is_limited_by_address(client, db, monkeypatch) -> None:
    monkeypatch.setattr("compliance.views.fhir_oauth.TOKEN_REQUESTS", Limit("token-requests", 2))
    answers = [client.post("/fhir/token", headers={"Authorization": "Bearer x"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert answers[-1].json()["resourceType"] == "OperationOutcome"
    assert int(answers[-1]["Retry-After"]) >= 1


def test_a_stranger_who_is_refused_too_often_hears_it_in_fhir(db, monkeypatch) -> None:
    monkeypatch.setattr("compliance.rate_limits.STRANGERS", Limit("strangers", 2))
    statuses = [Caller().get("Patient").status for _ in range(3)]
    assert statuses == [401, 401, 429]
