"""Where people are signed in: seen, ended from afar, and for how long, with the clock in hand."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from compliance.models import BrowserSession, Event
from compliance.services.sessions import KEY, holder_of
from tests.conftest import give_totp, sign_in, totp_code
from tests.system.objects import objects_of
from tests.system.routes import BELOW_DASH, private_routes

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
OTHERS = "/account/sessions/end-others/"


def _pass(client: Client, settings, idle: bool = False, whole: bool = False) -> None:
    """Let time pass for this client's sign-in: rows are moved back, for the session's own expiry is Django's."""
    row = BrowserSession.objects.get(pk=client.session[KEY])
    if idle:
        row.touched_at -= settings.IDLE_FOR
    if whole:
        row.began_at -= settings.SIGNED_IN_FOR
    row.save()


@pytest.fixture
def nurse(client: Client, cast) -> Client:
    return sign_in(client, cast["nurse"])


def test_a_sign_in_is_listed_in_words(cast) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    client = Client(HTTP_USER_AGENT=agent)
    client.post("/account/login/", {"login": "caregiver", "password": PASSWORD})
    page = client.get("/account/").content.decode()
    assert "Firefox on Linux" in page
    assert "this one" in page
    assert agent not in str(BrowserSession.objects.values())


def test_another_sign_in_is_ended_at_once(nurse: Client, cast) -> None:
    other = sign_in(Client(), cast["nurse"])
    assert other.get("/").status_code == 200
    nurse.post(f"/account/sessions/{other.session[KEY]}/end/")
    assert other.get("/")["Location"].startswith("/account/login/")
    assert nurse.get("/").status_code == 200
    assert Event.objects.get(code="session_ended").detail == {"sessions": 1, "why": "by the person"}


def test_all_others_are_ended_and_this_one_stays(nurse: Client, cast) -> None:
    others = [sign_in(Client(), cast["nurse"]) for _ in range(3)]
    nurse.post(OTHERS)
    assert {client.get("/").status_code for client in others} == {302}
    assert nurse.get("/").status_code == 200
    assert "Sign out everywhere else" not in nurse.get("/account/").content.decode()


def test_nobody_ends_the_sign_in_of_another(nurse: Client, cast) -> None:
    other = sign_in(Client(), cast["physician"])
    for session in (other.session[KEY], uuid.uuid4()):
        assert nurse.post(f"/account/sessions/{session}/end/").status_code == 404
    nurse.post(OTHERS)
    assert other.get("/").status_code == 200


def test_ending_wants_its_own_form_and_a_post(nurse: Client, cast) -> None:
    strict = sign_in(Client(enforce_csrf_checks=True), cast["nurse"])
    assert strict.post(OTHERS).status_code == 403
    assert nurse.get(OTHERS).status_code == 405


def test_signing_out_ends_the_row_too(nurse: Client) -> None:
    key = nurse.session[KEY]
    nurse.post("/account/logout/")
    assert BrowserSession.objects.get(pk=key).ended_at is not None


def test_a_session_without_its_row_opens_nothing(nurse: Client) -> None:
    BrowserSession.objects.all().delete()
    assert nurse.get("/")["Location"].startswith("/account/login/")


def test_a_session_cannot_borrow_the_row_of_another_person(nurse: Client, cast) -> None:
    other = sign_in(Client(), cast["physician"])
    session = nurse.session
    session[KEY] = other.session[KEY]
    session.save()
    assert nurse.get("/")["Location"].startswith("/account/login/")


def test_whoever_was_away_reads_the_board_and_nothing_else(nurse: Client, cast, patient, settings) -> None:
    values = {"patient_id": patient.pk, **BELOW_DASH, **objects_of(patient)}
    _pass(nurse, settings, idle=True)
    goes_on = set()
    for route in private_routes():
        for method in ("get", "post"):
            answer = getattr(nurse, method)(route.filled(values))
            if not answer.get("Location", "").startswith("/account/step-up/"):
                goes_on.add((method, route.template, answer.status_code))
    assert {place for _, place, _ in goes_on} <= {""} | {
        r.template for r in private_routes() if r.template[:5] == "ward/"
    }
    assert {status for method, _, status in goes_on if method == "post"} <= {405}
    assert ("get", "", 200) in goes_on


def test_being_away_ends_with_a_proof_and_leads_back(nurse: Client, settings) -> None:
    _pass(nurse, settings, idle=True)
    asked = nurse.get("/alerts/?state=open")["Location"]
    assert asked == "/account/step-up/?next=%2Falerts%2F%3Fstate%3Dopen"
    assert "Nobody touched this window" in nurse.get(asked).content.decode()
    back = nurse.post(asked, {"code": totp_code()})["Location"]
    assert back == "/alerts/?state=open"
    assert nurse.get(back).status_code == 200


def test_the_password_alone_is_no_way_back_for_whoever_has_more(nurse: Client, settings) -> None:
    _pass(nurse, settings, idle=True)
    answer = nurse.post("/account/password/again/", {"password": PASSWORD})
    assert answer["Location"].startswith("/account/step-up/")
    assert nurse.get("/alerts/").status_code == 302


def test_whoever_has_only_a_password_comes_back_with_it(client: Client, cast, settings) -> None:
    sign_in(client, cast["caregiver"])
    _pass(client, settings, idle=True)
    asked = client.get("/alerts/")["Location"]
    assert asked == "/account/password/again/?next=%2Falerts%2F"
    assert client.post(asked, {"password": PASSWORD})["Location"] == "/alerts/"
    assert client.get("/alerts/").status_code == 200


@pytest.mark.parametrize(
    ("headers", "counts"),
    [
        ({"Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"}, True),
        ({}, True),
        ({"Sec-Fetch-Mode": "navigate"}, False),
        ({"Sec-Fetch-Mode": "cors"}, False),
        ({"HX-Request": "true"}, False),
    ],
)
def test_only_a_person_counts_as_activity(headers, counts: bool, nurse: Client, settings) -> None:
    row = BrowserSession.objects.get(pk=nurse.session[KEY])
    before = row.touched_at = timezone.now() - settings.IDLE_FOR / 2
    row.save()
    nurse.get("/ward/strip/", headers=headers)
    row.refresh_from_db()
    assert (row.touched_at > before) is counts


def test_the_page_says_that_it_was_touched_until_the_person_is_away(nurse: Client, settings) -> None:
    page = {"Sec-Fetch-Mode": "cors", "HX-Request": "true"}
    row = BrowserSession.objects.get(pk=nurse.session[KEY])
    row.touched_at -= settings.IDLE_FOR / 2
    row.save()
    asked = timezone.now()
    assert nurse.post("/account/here/", headers=page).status_code == 204
    row.refresh_from_db()
    assert row.touched_at >= asked
    _pass(nurse, settings, idle=True)
    assert nurse.post("/account/here/", headers=page).status_code == 403
    assert nurse.get("/alerts/").status_code == 302


def test_a_shift_ends_the_sign_in_whatever_happens_in_it(nurse: Client, settings) -> None:
    _pass(nurse, settings, whole=True)
    assert nurse.get("/")["Location"].startswith("/account/login/")
    assert nurse.post("/account/step-up/", {"code": totp_code()})["Location"].startswith("/account/login/")


@pytest.mark.parametrize(
    ("change", "board", "patient_page"),
    [({}, True, True), ({"idle": True}, True, False), ({"whole": True}, False, False)],
)
def test_sockets_follow_the_same_rule(change, board: bool, patient_page: bool, nurse: Client, settings) -> None:
    _pass(nurse, settings, **change)
    key = nurse.session.session_key
    assert (holder_of(key, while_away=True) is not None, holder_of(key, while_away=False) is not None) == (
        board,
        patient_page,
    )


def test_the_first_factor_ends_what_a_password_alone_had_opened(client: Client, cast) -> None:
    import time
    from base64 import b32decode

    from allauth.mfa.utils import decrypt

    from compliance.factors import totp

    intruder = Client()
    for one in (intruder, client):
        one.post("/account/login/", {"login": "caregiver", "password": PASSWORD})
    client.get("/account/app/")
    secret = b32decode(decrypt(client.session["new_app"]))
    client.post("/account/app/", {"code": totp.code_at(secret, totp.step_of(time.time()))})
    assert client.get("/").status_code == 200
    assert intruder.get("/")["Location"].startswith("/account/login/")


def test_a_sign_in_is_forgotten_a_month_after_it(nurse: Client, cast) -> None:
    BrowserSession.objects.update(touched_at=timezone.now() - timedelta(days=31), ended_at=timezone.now())
    sign_in(Client(), cast["nurse"])
    assert BrowserSession.objects.count() == 1


def test_the_warning_is_on_every_page_of_a_signed_in_person(nurse: Client, cast) -> None:
    give_totp(cast["caregiver"])
    page = nurse.get("/alerts/").content.decode()
    assert 'data-idle-s="900"' in page
    assert 'data-stays="no"' in page
    assert 'data-stays="yes"' in nurse.get("/").content.decode()
    assert "data-presence" not in Client().get("/account/login/").content.decode()
