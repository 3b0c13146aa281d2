"""A form that is older than the sign-in: nothing is done, and the page leads back to where it can be had anew."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from compliance.models import Event
from tests.conftest import sign_in, totp_code

PASSWORD = "correct horse battery"
LOGIN, SECOND, STEP_UP = "/account/login/", "/account/second-factor/", "/account/step-up/"


@pytest.fixture
def browser() -> Client:
    """A browser, whose forms need the token of their page."""
    return Client(enforce_csrf_checks=True)


def token_on(browser: Client, page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(page).content.decode())
    assert found
    return found.group(1)


def enter(browser: Client, name: str, token: str):
    return browser.post(LOGIN, {"login": name, "password": PASSWORD, "csrfmiddlewaretoken": token})


def ways_out(answer) -> list[str]:
    return re.findall(r'<a class="button primary" href="([^"]+)"', answer.content.decode())


def test_a_second_tab_with_the_sign_in_page_leads_on_once_the_first_has_signed_in(browser: Client, cast) -> None:
    one, other = token_on(browser, LOGIN), token_on(browser, LOGIN)
    assert enter(browser, "caregiver", one).status_code == 302
    late = enter(browser, "caregiver", other)
    assert late.status_code == 403
    assert "older than your sign-in" in late.content.decode()
    assert ways_out(late) == ["/"]
    assert browser.get("/").status_code == 200


def test_a_sign_in_page_whose_cookie_changed_leads_to_a_new_one_that_works(browser: Client, cast) -> None:
    old = token_on(browser, LOGIN)
    browser.cookies.clear()
    token_on(browser, LOGIN)  # another page of this browser brings another cookie
    refused = enter(browser, "caregiver", old)
    assert (refused.status_code, ways_out(refused)) == (403, [LOGIN])
    assert not Event.objects.filter(code="form_refused").exists(), "strangers fill no table"
    assert enter(browser, "caregiver", token_on(browser, LOGIN)).status_code == 302


def test_a_page_of_an_earlier_sign_in_leads_back_to_itself(browser: Client, cast) -> None:
    sign_in(browser, cast["nurse"])
    old = token_on(browser, STEP_UP)
    browser.post("/account/logout/", {"csrfmiddlewaretoken": old})
    enter(browser, "nurse", token_on(browser, LOGIN))
    browser.post(SECOND, {"code": totp_code(), "csrfmiddlewaretoken": token_on(browser, SECOND)})
    page = f"{STEP_UP}?next=/devices/"
    stale = {"code": totp_code(1), "csrfmiddlewaretoken": old}
    refused = browser.post(STEP_UP, stale, headers={"referer": f"http://testserver{page}"})
    assert (refused.status_code, ways_out(refused)) == (403, [page])
    assert Event.objects.get(code="form_refused").user == cast["nurse"]


@pytest.mark.parametrize(
    "referer", ["https://evil.example/", "//evil.example/x", "", "http://testserver//evil.example"]
)
def test_the_way_back_never_leads_to_another_site(referer: str, browser: Client, cast) -> None:
    sign_in(browser, cast["nurse"])
    assert ways_out(browser.post(STEP_UP, {"code": "1"}, headers={"referer": referer})) == ["/"]


def test_what_a_page_sent_by_itself_makes_it_load_again(browser: Client, cast) -> None:
    sign_in(browser, cast["nurse"])
    answer = browser.post("/account/here/", headers={"hx-request": "true"})
    assert (answer.status_code, answer["HX-Refresh"], answer.content) == (403, "true", b"")


def test_a_script_reads_why_in_its_own_words(browser: Client, cast) -> None:
    sign_in(browser, cast["nurse"])
    answer = browser.post("/account/here/", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (403, "form_refused")
