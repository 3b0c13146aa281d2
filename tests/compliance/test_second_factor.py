"""The second factor after the password, and again before what is dangerous."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.models import Authenticator
from django.http import HttpResponse
from django.test import Client, RequestFactory

from compliance.errors import SecondFactorNeeded
from compliance.middleware import DomainErrors
from compliance.models import Event, RecoveryCode
from compliance.services.recovery_codes import make_codes
from compliance.services.second_factor import is_fresh
from compliance.views.step_up import require_fresh, safe_path, step_up_required
from tests.conftest import TOTP_SECRET, give_totp, sign_in, totp_code

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
LOGIN, SECOND, STEP_UP = "/account/login/", "/account/second-factor/", "/account/step-up/"


def _password(client: Client, name: str = "nurse", **extra: str):  # type: ignore[no-untyped-def]
    return client.post(LOGIN, {"login": name, "password": PASSWORD, **extra})


def _events(code: str) -> int:
    return sum(Event.objects.filter(code=code).values_list("count", flat=True))


def test_the_password_alone_opens_nothing(client: Client, cast) -> None:
    assert _password(client)["Location"] == SECOND
    assert client.get("/").status_code == 302
    assert client.post(SECOND, {"code": totp_code()})["Location"] == "/"
    assert client.get("/").status_code == 200


def test_a_sign_in_leads_to_where_the_person_wanted(client: Client, cast) -> None:
    _password(client, next="/alerts/")
    assert client.post(SECOND, {"code": totp_code()})["Location"] == "/alerts/"


def test_the_second_step_alone_leads_back_to_the_first(client: Client, cast) -> None:
    assert client.get(SECOND)["Location"] == LOGIN
    assert client.post(SECOND, {"code": totp_code()})["Location"] == LOGIN


def test_seeds_are_sealed_in_the_database(cast) -> None:
    stored = Authenticator.objects.get(user=cast["nurse"]).data["secret"]
    assert TOTP_SECRET not in stored
    assert stored != Authenticator.objects.get(user=cast["physician"]).data["secret"] or len(stored) > len(TOTP_SECRET)


def test_a_code_is_good_once_and_older_ones_never_again(client: Client, cast, one_half_minute) -> None:
    _password(client)
    client.post(SECOND, {"code": totp_code()})
    for code in (totp_code(), totp_code(-1)):
        other = Client()
        _password(other)
        page = other.post(SECOND, {"code": code})
        assert "used already" in page.content.decode()
        assert other.get("/").status_code == 302
    assert _events("second_factor_replayed") == 2


def test_a_wrong_code_is_recorded_and_not_kept(client: Client, cast) -> None:
    _password(client)
    page = client.post(SECOND, {"code": "000000"})
    assert "not right" in page.content.decode()
    event = Event.objects.get(code="second_factor_failed")
    assert event.user == cast["nurse"]
    assert "000000" not in f"{event.message}{event.detail}"


def test_guessing_codes_locks_the_factor_over_all_addresses(client: Client, cast, settings) -> None:
    _password(client)
    for place in range(settings.AXES_FAILURE_LIMIT):
        answer = client.post(SECOND, {"code": "000000"}, REMOTE_ADDR=f"10.0.0.{place}")
    assert answer.status_code == 429
    assert "Locked for ten minutes" in answer.content.decode()
    assert "Too many wrong codes" in client.post(SECOND, {"code": totp_code()}).content.decode()
    assert client.get("/").status_code == 302
    assert _events("second_factor_locked") >= 1


def test_wrong_passwords_of_a_stranger_do_not_lock_the_second_factor(client: Client, cast, settings) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        Client().post(LOGIN, {"login": "nurse", "password": "guess"}, REMOTE_ADDR="10.9.9.9")
    _password(client)
    assert client.post(SECOND, {"code": totp_code()})["Location"] == "/"


def test_a_right_code_starts_the_count_anew(client: Client, cast, settings) -> None:
    sign_in(client, cast["nurse"])
    for step in (0, 1):
        for _ in range(settings.AXES_FAILURE_LIMIT - 1):
            client.post(STEP_UP, {"code": "000000"})
        assert client.post(STEP_UP, {"code": totp_code(step)}).status_code == 302


def test_a_recovery_code_works_once(client: Client, cast) -> None:
    codes = make_codes(user=cast["nurse"])
    _password(client)
    assert client.post(SECOND, {"code": codes[0].lower()})["Location"] == "/"
    other = Client()
    _password(other)
    assert "used already" in other.post(SECOND, {"code": codes[0]}).content.decode()
    assert Event.objects.get(code="recovery_code_used").detail == {"left": len(codes) - 1}


def test_recovery_codes_are_kept_as_slow_hashes(cast) -> None:
    codes = make_codes(user=cast["nurse"])
    kept = list(RecoveryCode.objects.values_list("handle", "digest"))
    assert len(kept) == len(codes) == len({handle for handle, _ in kept})
    assert all(digest.startswith("argon2") for _, digest in kept)
    assert not any(code.replace("-", "")[4:] in digest for code in codes for _, digest in kept)


def test_the_recovery_code_of_another_person_is_wrong(client: Client, cast) -> None:
    codes = make_codes(user=cast["physician"])
    _password(client)
    assert "not right" in client.post(SECOND, {"code": codes[0]}).content.decode()


@step_up_required
def _dangerous(_request: object) -> HttpResponse:
    return HttpResponse("done")


def _request(client: Client, user, method: str = "get", **headers: str):  # type: ignore[no-untyped-def]
    request = getattr(RequestFactory(), method)("/devices/3/?a=b", headers=headers)
    request.session, request.user = client.session, user
    return request


def test_what_is_dangerous_wants_a_factor_of_the_last_five_minutes(client: Client, cast, monkeypatch) -> None:
    nurse = cast["nurse"]
    sign_in(client, nurse)
    assert _dangerous(_request(client, nurse))["Location"] == "/account/step-up/?next=%2Fdevices%2F3%2F%3Fa%3Db"
    client.post(STEP_UP, {"code": totp_code(), "next": "/devices/3/"})
    assert _dangerous(_request(client, nurse)).content == b"done"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 290)
    assert is_fresh(_request(client, nurse))
    monkeypatch.setattr(time, "time", lambda: now + 301)
    assert not is_fresh(_request(client, nurse))


def test_the_policy_refuses_before_anyone_is_asked_to_confirm(client: Client, cast) -> None:
    request = _request(client, cast["nurse"])
    with pytest.raises(SecondFactorNeeded):
        require_fresh(request)
    answer = DomainErrors(lambda _request: HttpResponse()).process_exception(request, SecondFactorNeeded())
    assert answer is not None
    assert answer["Location"].startswith("/account/step-up/")


def test_a_proof_of_one_person_is_none_of_another(client: Client, cast) -> None:
    sign_in(client, cast["nurse"], fresh=True)
    assert not is_fresh(_request(client, cast["physician"]))


def test_htmx_is_led_to_the_question_and_back_to_its_page(client: Client, cast) -> None:
    sign_in(client, cast["nurse"])
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/patients/7/?tab=2"}
    answer = _dangerous(_request(client, cast["nurse"], "post", **headers))
    assert answer["HX-Redirect"] == "/account/step-up/?next=%2Fpatients%2F7%2F%3Ftab%3D2"


def test_a_form_leads_back_to_the_page_that_held_it(client: Client, cast) -> None:
    sign_in(client, cast["nurse"])
    answer = _dangerous(_request(client, cast["nurse"], "post", Referer="http://testserver/devices/3/"))
    assert answer["Location"] == "/account/step-up/?next=%2Fdevices%2F3%2F"


def test_a_program_is_told_what_is_missing(client: Client, cast) -> None:
    sign_in(client, cast["nurse"])
    answer = _dangerous(_request(client, cast["nurse"], Accept="application/json"))
    assert (answer.status_code, b"second_factor_needed" in answer.content) == (403, True)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/", "//evil.example/", "///evil.example", "javascript:alert(1)", "http:evil.example",
        "\\\\evil.example", "/\\evil.example", "http://testserver//evil.example", "http://testserver/\\evil.example",
        "http://testserver@evil.example/", "", "data:text/html,x", "\thttps://evil.example",
    ],
)  # fmt: skip
def test_step_up_never_leads_to_another_site(client: Client, cast, url: str) -> None:
    assert safe_path(RequestFactory().get("/"), url) == "/"
    sign_in(client, cast["nurse"])
    assert client.post(STEP_UP, {"code": totp_code(), "next": url})["Location"] == "/"


def test_a_failed_step_up_is_recorded_and_proves_nothing(client: Client, cast) -> None:
    sign_in(client, cast["nurse"])
    assert client.post(STEP_UP, {"code": "000000"}).status_code == 400
    assert _events("step_up_failed") == 1
    assert not is_fresh(_request(client, cast["nurse"]))


@pytest.mark.parametrize("credential", ["", "{", "null", "[]", "7", '"x"', "{}", '{"id": "AA", "response": {}}'])
def test_a_credential_that_no_passkey_made_is_refused(client: Client, cast, credential: str) -> None:
    sign_in(client, cast["nurse"])
    assert client.post(STEP_UP, {"credential": credential}).status_code == 400
    assert client.post("/account/passkey/", {"credential": credential}).status_code == 302
    assert client.get(STEP_UP).status_code == 200


def test_step_up_wants_its_own_form(cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    sign_in(strict, cast["nurse"])
    assert strict.post(STEP_UP, {"code": totp_code()}).status_code == 403


def test_whoever_has_no_factor_is_told_so(client: Client, cast) -> None:
    sign_in(client, cast["caregiver"])
    page = client.get(STEP_UP).content.decode()
    assert "has none yet" in page
    give_totp(cast["caregiver"])
    assert "has none yet" not in client.get(STEP_UP).content.decode()


def test_a_factor_of_the_demonstration_shows_its_code_only_there(
    client: Client, cast, settings, one_half_minute
) -> None:
    settings.DEMO = True
    sign_in(client, cast["nurse"])
    assert totp_code() not in client.get(STEP_UP).content.decode()  # a real person, even here
    Authenticator.objects.filter(user=cast["nurse"]).update(
        data={**Authenticator.objects.get(user=cast["nurse"]).data, "demo": True}
    )
    page = client.get(STEP_UP).content.decode()
    assert totp_code() in page
    assert "Demo: everybody may read this code" in page
    settings.DEMO = False
    page = client.get(STEP_UP).content.decode()
    assert totp_code() not in page
    assert "everybody may read" not in page
