"""Who is too fast is told to wait; the ward's open pages never are."""

from __future__ import annotations

from unittest import mock

import pytest
from django.test import Client

from compliance import rate_limits
from compliance.models import Event
from compliance.rate_limits import SIGN_INS, STRANGERS, WRITES
from compliance.services import rates
from compliance.services.rates import Counters, Limit, counters, spend, spent
from tests.conftest import sign_in
from tests.system.routes import routes

THREE = Limit("three", 3, 60)
ONE_WINDOW_S = 10_000_000_000  # from 1970 on: a test that begins in one window ends in it
NOON = 1_700_000_040.0 - 1_700_000_040.0 % 60


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch):
    """Let two acts through instead of hundreds."""

    def narrow(name: str) -> None:
        limit: Limit = getattr(rate_limits, name)
        monkeypatch.setattr(rate_limits, name, Limit(limit.name, 2, ONE_WINDOW_S))

    return narrow


def test_the_fourth_of_three_waits_for_the_next_window() -> None:
    assert [spend(THREE, "ada", NOON + 10) for _ in range(4)] == [0, 0, 0, 50]
    assert spend(THREE, "ada", NOON + 60) == 0


def test_people_and_limits_are_counted_apart() -> None:
    assert [spend(THREE, "ada", NOON) for _ in range(4)][-1] > 0
    assert spend(THREE, "grace", NOON) == 0
    assert spend(Limit("other", 3), "ada", NOON) == 0


def test_asking_does_not_count() -> None:
    assert [spent(THREE, "ada", NOON) for _ in range(9)] == [0] * 9
    for _ in range(3):
        spend(THREE, "ada", NOON)
    assert spent(THREE, "ada", NOON) > 0


def test_processes_share_what_they_count(valkey: str) -> None:
    one, other = Counters(valkey), Counters(valkey)
    assert [each.count("shared", 1, NOON, 60) for each in (one, other, one)] == [1, 2, 3]
    one.forget()


def test_without_a_broker_a_process_counts_alone_and_asks_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rates, "BROKER_REST_S", 3600.0)
    alone = Counters(f"unix://{tmp_path}/nobody.sock?db=0")
    asked = mock.Mock(wraps=alone._broker.pipeline)
    monkeypatch.setattr(alone._broker, "pipeline", asked)
    assert [alone.count("ada", 1, NOON, 60) for _ in range(50)] == list(range(1, 51))
    assert asked.call_count == 1, "a page must not wait for a dead broker each time"


def test_a_person_who_writes_too_fast_is_told_when_to_go_on(client: Client, cast, patient, tight) -> None:
    tight("WRITES")
    sign_in(client, cast["nurse"])
    answers = [client.post(f"/patients/{patient.pk}/limits/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert 0 < int(answers[-1]["Retry-After"]) <= ONE_WINDOW_S
    assert b"too often" in answers[-1].content
    assert answers[-1]["Cache-Control"] == "private, no-store"
    noted = Event.objects.get(code="too_fast")
    assert (noted.user, noted.detail) == (cast["nurse"], {"limit": WRITES.name})
    assert client.get("/").status_code == 200, "reading goes on"


def test_one_password_tried_on_many_names_from_one_address_ends(client: Client, db, tight) -> None:
    tight("SIGN_INS")
    guesses = [{"login": f"person-{n}", "password": "correct horse battery"} for n in range(3)]
    answers = [client.post("/account/login/", guess).status_code for guess in guesses]
    assert answers == [200, 200, 429]
    assert Client(REMOTE_ADDR="10.0.0.9").post("/account/login/", guesses[0]).status_code == 200
    assert SIGN_INS.times < STRANGERS.times


def test_a_stranger_who_knocks_everywhere_is_not_looked_at_any_more(client: Client, db, tight) -> None:
    tight("STRANGERS")
    assert [client.post("/imaging/uploads/").status_code for _ in range(3)] == [401, 401, 429]
    assert client.get("/account/login/").status_code == 429
    assert Client(REMOTE_ADDR="10.0.0.9").get("/account/login/").status_code == 200


def test_costly_views_have_a_limit_of_their_own() -> None:
    from django.urls import get_resolver, resolve

    assert get_resolver()
    for path in (
        "/patients/00000000-0000-0000-0000-000000000000/what-if/run/",
        "/imaging/studies/00000000-0000-0000-0000-000000000000/reconstruct/",
        "/analytics/energy/_dash-update-component",
        "/evidence/reading/1/1/proof/",
        "/rules/draft/",
    ):
        assert resolve(path).func.limit.times <= 600, path


def test_the_open_board_is_never_counted(client: Client, cast, tight) -> None:
    for name in ("WRITES", "SIGN_INS", "STRANGERS", "SEARCHES"):
        tight(name)
    sign_in(client, cast["nurse"])
    board = [f"/{route.template}" for route in routes() if route.template.startswith("ward/") and not route.parameters]
    assert len(board) >= 4
    for path in board:
        assert [client.get(path).status_code for _ in range(4)] == [200] * 4, path


def test_counters_are_forgotten_between_tests() -> None:
    assert counters().count("three:ada", 0, NOON, 60) == 0
