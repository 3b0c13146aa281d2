"""A person's own second factors: staff must have one before anything else opens; what is changed is proved first."""

from __future__ import annotations

import re
import time
import uuid
from base64 import b32decode

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt
from django.test import Client
from django.urls import reverse

from compliance.factors import totp
from compliance.models import Event, RecoveryCode
from compliance.services.factors import add_passkey, must_enrol
from compliance.services.rates import counters
from tests.conftest import give_totp, sign_in, totp_code
from tests.system.objects import objects_of
from tests.system.routes import BELOW_DASH, private_routes, routes

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
ENROL, APP, ACCOUNT = "/account/enrol/", "/account/app/", "/account/"
STAFF = ["nurse", "physician", "administrator", "trainer"]


def _enter(client: Client, name: str) -> None:
    client.post("/account/login/", {"login": name, "password": PASSWORD})


def _new_code(client: Client) -> str:
    secret = b32decode(decrypt(client.session["new_app"]))
    return totp.code_at(secret, totp.step_of(time.time()))


@pytest.fixture
def newcomer(make_user, ward):
    return make_user("nurse", ward=ward, second_factor=False)


@pytest.mark.parametrize("role", STAFF)
def test_staff_without_a_second_factor_reach_nothing_else(role: str, client: Client, make_user, ward, patient) -> None:
    user = make_user(role, ward=ward, second_factor=False)
    sign_in(client, user, fresh=True)
    values = {"patient_id": patient.pk, **BELOW_DASH, **objects_of(patient)}
    for route in private_routes():
        counters().forget()  # so many acts within a minute would be refused for their number alone
        for method in ("get", "post", "put", "delete"):
            answer = getattr(client, method)(route.filled(values))
            assert b"Byron" not in answer.content
            if not route.template.startswith("fhir/"):  # the door of programs says it in its own words
                assert (answer.status_code, answer.get("Location")) == (302, ENROL), (method, route.template)


def test_of_the_account_they_reach_only_what_adds_a_factor(client: Client, newcomer) -> None:
    sign_in(client, newcomer)
    own = [route for route in routes() if route.template.startswith("account/") and not route.machine]
    named = {"factor_id": 1, "session_id": uuid.uuid4()}
    open_to_them = {r.template for r in own if client.get(r.filled(named)).get("Location") != ENROL}
    assert open_to_them == {"account/enrol/", "account/app/", "account/passkeys/add/", "account/password/again/"}
    assert len(own) > len(open_to_them)


def test_programs_and_panels_of_theirs_are_told_too(client: Client, newcomer) -> None:
    sign_in(client, newcomer)
    assert client.get("/", headers={"HX-Request": "true"})["HX-Redirect"] == ENROL
    assert client.get("/", headers={"Accept": "application/json"}).json()["error"] == "enrol_first"


def test_they_may_leave(client: Client, newcomer) -> None:
    sign_in(client, newcomer)
    client.post("/account/logout/")
    assert client.get(ENROL)["Location"].startswith("/account/login/")


def test_a_newcomer_is_led_from_the_password_to_the_ward(client: Client, newcomer) -> None:
    _enter(client, "nurse")
    assert client.get("/")["Location"] == ENROL
    assert client.get(ENROL).status_code == 200
    client.get(APP)
    page = client.post(APP, {"code": _new_code(client)}).content.decode()
    codes = re.findall(r"<li>([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})</li>", page)
    assert len(codes) == RecoveryCode.objects.filter(user=newcomer).count() == 8
    assert client.get("/").status_code == 200
    assert client.get(ENROL)["Location"] == ACCOUNT
    assert Event.objects.filter(code__in=["factor_added", "recovery_codes_made"], user=newcomer).count() == 2


def test_the_code_that_enrolled_cannot_sign_in(client: Client, newcomer) -> None:
    _enter(client, "nurse")
    client.get(APP)
    code = _new_code(client)
    client.post(APP, {"code": code})
    other = Client()
    _enter(other, "nurse")
    assert "used already" in other.post("/account/second-factor/", {"code": code}).content.decode()


def test_the_seed_waits_sealed_in_the_session(client: Client, newcomer) -> None:
    _enter(client, "nurse")
    page = client.get(APP).content.decode()
    shown = re.search(r'mono secret">([A-Z2-7 ]+)<', page)
    assert shown
    assert shown[1].replace(" ", "") not in str(dict(client.session))


def test_a_wrong_code_enrols_nothing_and_keeps_the_key(client: Client, newcomer) -> None:
    _enter(client, "nurse")
    client.get(APP)
    before = client.session["new_app"]
    assert client.post(APP, {"code": "12"}).status_code == 400
    assert client.session["new_app"] == before
    assert must_enrol(newcomer)


@pytest.mark.parametrize("role", ["caregiver", "none"])
def test_others_are_offered_a_factor_and_not_forced(role: str, client: Client, make_user) -> None:
    user = make_user(role, username="other")
    _enter(client, "other")
    assert not must_enrol(user)
    page = client.get(ACCOUNT).content.decode()
    assert "Set up an app" in page
    assert "Add a passkey" in page
    assert client.get(APP).status_code == 200


def test_the_first_factor_wants_the_password_of_the_last_five_minutes(client: Client, cast, monkeypatch) -> None:
    _enter(client, "caregiver")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 301)
    answer = client.get(APP)
    assert answer["Location"] == "/account/password/again/?next=%2Faccount%2Fapp%2F"
    assert client.post(answer["Location"], {"password": "wrong"}).status_code == 400
    assert client.post(answer["Location"], {"password": PASSWORD, "next": APP})["Location"] == APP
    assert client.get(APP).status_code == 200


def _changes(factor_id: int) -> list[str]:
    return [
        "/account/app/", "/account/passkeys/add/", "/account/password/", "/account/recovery-codes/",
        f"/account/factors/{factor_id}/remove/", f"/account/factors/{factor_id}/name/",
    ]  # fmt: skip


def test_every_change_wants_a_fresh_factor(client: Client, cast) -> None:
    factor = Authenticator.objects.get(user=cast["nurse"])
    sign_in(client, cast["nurse"])
    for url in _changes(factor.pk):
        assert client.post(url)["Location"].startswith("/account/step-up/"), url


def test_a_change_wants_its_own_form(cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    sign_in(strict, cast["nurse"], fresh=True)
    for url in _changes(Authenticator.objects.get(user=cast["nurse"]).pk):
        assert strict.post(url).status_code == 403, url


def _passkey(user, name: str = "key") -> Authenticator:
    return add_passkey(user=user, name=name, credential={})


def test_the_last_factor_of_staff_stays(client: Client, cast) -> None:
    app = Authenticator.objects.get(user=cast["nurse"])
    sign_in(client, cast["nurse"], fresh=True)
    answer = client.post(reverse("compliance:remove_factor", args=[app.pk]))
    assert answer.status_code == 409
    assert "Add another first" in answer.content.decode()
    key = _passkey(cast["nurse"])
    assert client.post(reverse("compliance:remove_factor", args=[app.pk]))["Location"] == ACCOUNT
    assert client.post(reverse("compliance:remove_factor", args=[key.pk])).status_code == 409
    assert Event.objects.get(code="factor_removed").detail == {"kind": "app", "factor": app.pk}


def test_a_caregiver_may_remove_the_last_and_the_codes_go_with_it(fresh_client, cast) -> None:
    from compliance.services.recovery_codes import make_codes

    give_totp(cast["caregiver"])
    make_codes(user=cast["caregiver"])
    app = Authenticator.objects.get(user=cast["caregiver"])
    fresh_client(cast["caregiver"]).post(reverse("compliance:remove_factor", args=[app.pk]))
    assert not Authenticator.objects.filter(user=cast["caregiver"]).exists()
    assert not RecoveryCode.objects.exists()


def test_nobody_touches_the_factors_of_another(fresh_client, cast) -> None:
    foreign = _passkey(cast["physician"], "mine")
    client = fresh_client(cast["nurse"])
    for name in ("remove_factor", "rename_factor"):
        assert client.post(reverse(f"compliance:{name}", args=[foreign.pk]), {"name": "x"}).status_code == 404
    foreign.refresh_from_db()
    assert foreign.data["name"] == "mine"


def test_a_passkey_is_named_and_renamed(fresh_client, cast) -> None:
    key = _passkey(cast["nurse"], "")
    assert key.data["name"] == "Passkey 1"
    client = fresh_client(cast["nurse"])
    client.post(reverse("compliance:rename_factor", args=[key.pk]), {"name": "<b>blue</b>" + "x" * 90})
    key.refresh_from_db()
    assert key.data["name"] == ("<b>blue</b>" + "x" * 90)[:40]
    assert "<b>blue" not in client.get(ACCOUNT).content.decode()


def test_a_new_app_takes_the_place_of_the_old(fresh_client, cast) -> None:
    client = fresh_client(cast["nurse"])
    client.get(APP)
    client.post(APP, {"code": _new_code(client)})
    assert Authenticator.objects.filter(user=cast["nurse"], type="totp").count() == 1
    assert client.post("/account/step-up/", {"code": totp_code()}).status_code == 400


def test_new_recovery_codes_replace_the_old_and_are_shown_once(fresh_client, cast) -> None:
    client = fresh_client(cast["nurse"])
    first, second = (client.post("/account/recovery-codes/").content.decode() for _ in range(2))
    assert set(re.findall(r"<li>([\w-]+)</li>", first)).isdisjoint(re.findall(r"<li>([\w-]+)</li>", second))
    assert client.get("/account/recovery-codes/").status_code == 405
    assert RecoveryCode.objects.filter(user=cast["nurse"]).count() == 8
    assert "8 unused" in client.get(ACCOUNT).content.decode()


def test_a_factor_of_the_demonstration_counts_only_there(client: Client, newcomer, settings) -> None:
    give_totp(newcomer)
    factor = Authenticator.objects.get(user=newcomer)
    factor.data["demo"] = True
    factor.save()
    settings.DEMO = True
    assert not must_enrol(newcomer)
    settings.DEMO = False
    assert must_enrol(newcomer)
    sign_in(client, newcomer)
    assert client.post("/account/second-factor/", {"code": totp_code()}).status_code == 302
    assert client.get("/")["Location"] == ENROL


def test_the_password_is_changed_only_by_whoever_knows_it(fresh_client, cast) -> None:
    client = fresh_client(cast["nurse"])
    wrong = client.post("/account/password/", {"old": "guess", "new": "a much longer sentence"})
    assert "not your password" in wrong.content.decode()
    weak = client.post("/account/password/", {"old": PASSWORD, "new": "short"})
    assert "too short" in weak.content.decode()
    done = client.post("/account/password/", {"old": PASSWORD, "new": "a much longer sentence"})
    assert done["Location"] == ACCOUNT
    cast["nurse"].refresh_from_db()
    assert cast["nurse"].check_password("a much longer sentence")
    assert client.get("/").status_code == 200
    assert Event.objects.filter(code="password_changed", user=cast["nurse"]).exists()


def test_a_changed_password_ends_the_other_sessions(client: Client, cast) -> None:
    other = sign_in(Client(), cast["nurse"])
    sign_in(client, cast["nurse"], fresh=True)
    client.post("/account/password/", {"old": PASSWORD, "new": "a much longer sentence"})
    assert other.get("/")["Location"].startswith("/account/login/")


def test_lost_factors_are_taken_away_from_outside(client: Client, cast) -> None:
    from django.core.management import CommandError, call_command

    sign_in(client, cast["nurse"])
    call_command("reset_sign_in", "nurse", verbosity=0)
    assert must_enrol(cast["nurse"])
    assert client.get("/")["Location"].startswith("/account/login/")
    assert Event.objects.filter(code="factor_removed", user=cast["nurse"]).exists()
    with pytest.raises(CommandError, match="nobody"):
        call_command("reset_sign_in", "stranger")
