"""The front door: a password opens it for those who need no second factor, guessing closes it, and nobody lets
themselves in."""

from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


def _sign_in(client: Client, password: str = PASSWORD, **extra: str):  # type: ignore[no-untyped-def]
    return client.post("/account/login/", {"login": "caregiver", "password": password, **extra})


def test_the_right_password_leads_to_the_ward(client: Client, cast) -> None:
    response = _sign_in(client)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.get("/").status_code == 200


def test_passwords_are_kept_as_argon2(cast, hashing_cost) -> None:
    assert cast["caregiver"].password.startswith("argon2$argon2id$")
    # At least what OWASP's password storage cheat sheet asks of Argon2id; tests themselves spend less.
    assert hashing_cost["time_cost"] >= 2
    assert hashing_cost["memory_cost"] >= 19 * 1024


def test_a_wrong_password_says_so_without_saying_which_part_was_wrong(client: Client, cast) -> None:
    known = _sign_in(client, "wrong").content.decode()
    unknown = client.post("/account/login/", {"login": "nobody", "password": "wrong"}).content.decode()
    sentence = "The username and/or password you specified are not correct."
    assert sentence in known
    assert sentence in unknown


def test_guessing_locks_the_account_out_even_with_the_right_password(client: Client, cast, settings) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        _sign_in(client, "guess")
    assert _sign_in(client).status_code == 429
    assert client.get("/").status_code == 302


def test_nobody_signs_up_by_themselves(client: Client, cast) -> None:
    from compliance.models import User

    before = User.objects.count()
    client.post("/account/signup/", {"username": "me", "password1": PASSWORD, "password2": PASSWORD})
    assert User.objects.count() == before


def test_signing_out_needs_a_post(client: Client, cast) -> None:
    _sign_in(client)
    client.get("/account/logout/")
    assert client.get("/").status_code == 200
    client.post("/account/logout/")
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(client: Client, cast, target: str) -> None:
    assert _sign_in(client, next=target)["Location"] == "/"


def test_a_form_from_another_site_is_refused(cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert _sign_in(strict).status_code == 403


def test_an_account_switched_off_is_refused(client: Client, cast) -> None:
    cast["caregiver"].is_active = False
    cast["caregiver"].save()
    _sign_in(client)
    assert client.get("/").status_code == 302


def test_pages_carry_a_policy_without_inline_code_or_other_hosts(client: Client, cast) -> None:
    header = client.get("/account/login/")["Content-Security-Policy"]
    assert "unsafe-inline" not in header
    assert "http:" not in header
    assert "default-src 'self'" in header
