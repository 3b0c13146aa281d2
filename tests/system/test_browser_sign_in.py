"""Signing in with a real browser: passkeys of a virtual authenticator, and what happens when nobody is there."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.system.conftest import ROOT, RunningWard, eventually
from tests.system.visits import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.timeout(240)]
PASSWORD = "nobody guesses this sentence"
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip
# As a page of an attacker would: ask for a passkey that nobody has to unlock.
WEAKEN = """() => {
  const form = document.querySelector("form[data-passkey]");
  const options = JSON.parse(form.dataset.options);
  if (options.publicKey.authenticatorSelection) {
    options.publicKey.authenticatorSelection = { userVerification: "discouraged" };
  }
  options.publicKey.userVerification = "discouraged";
  form.dataset.options = JSON.stringify(options);
}"""


class Person:
    """A person who was added to the running ward and holds an authenticator."""

    def __init__(self, browser: Any, ward: RunningWard, role: str) -> None:
        self.ward, self.name = ward, f"{role}-{secrets.token_hex(4)}"
        add = [
            sys.executable,
            str(ROOT / "manage.py"),
            "add_person",
            self.name,
            "--role",
            role,
            "--ward",
            "Ward 4 East",
        ]
        subprocess.run(add, env=ward.environment, input=PASSWORD, text=True, check=True, capture_output=True)
        # A passkey is bound to a host name: an address of numbers can hold none.
        self.context = browser.new_context(base_url=ward.url.replace("127.0.0.1", "localhost"))
        self.page = self.context.new_page()
        self.device = self.context.new_cdp_session(self.page)
        self.device.send("WebAuthn.enable")
        self.authenticator = ""
        self.holds(**AUTHENTICATOR)

    def holds(self, **authenticator: object) -> None:
        """Give the person this authenticator in place of the one before."""
        if self.authenticator:
            self.device.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self.authenticator})
        made = self.device.send("WebAuthn.addVirtualAuthenticator", {"options": authenticator})
        self.authenticator = made["authenticatorId"]

    def give_password(self) -> None:
        self.page.goto("/account/login/")
        self.page.fill("[name=login]", self.name)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("main button.primary")
        self.page.wait_for_url(lambda url: "/login/" not in url)

    def comes_back_later(self) -> None:
        """Forget every cookie, as a browser does that was closed.

        The page is left first: its requests still under way would bring a new CSRF cookie after the next page's, and
        that page's form would be refused.
        """
        self.page.goto("about:blank")
        self.context.clear_cookies()

    def enrol(self) -> None:
        self.give_password()
        self.page.wait_for_url("**/account/enrol/")
        self.page.click("text=Set up a passkey")
        self.page.fill("[name=name]", "blue key")
        self.page.click("main button.primary")
        self.page.wait_for_selector("#codes li")

    def unlocks(self, able: bool) -> None:
        """Let the person's finger be read, or not."""
        change = {"authenticatorId": self.authenticator, "isUserVerified": able}
        self.device.send("WebAuthn.setUserVerified", change)


@pytest.fixture
def person(chromium: Any, running_ward: RunningWard) -> Iterator[Callable[[str], Person]]:
    made: list[Person] = []

    def make(role: str) -> Person:
        made.append(Person(chromium, running_ward, role))
        return made[-1]

    yield make
    for one in made:
        one.context.close()


def test_a_passkey_is_enrolled_signs_in_alone_and_steps_up(person: Callable[[str], Person]) -> None:
    me = person("administrator")
    page = me.page
    me.enrol()
    assert page.locator("#codes li").count() == 8
    with page.expect_download() as download:
        page.click("text=Download")
    assert page.locator("#codes li").first.inner_text() in download.value.path().read_text()
    page.click("text=I have kept them")
    page.wait_for_selector("[data-row]")

    page.click(".person")
    page.click("#person-menu button:has-text('Sign out')")
    page.wait_for_url("**/account/login/**")
    page.click("text=Sign in with a passkey")  # no name, no password: two factors in one
    page.wait_for_selector("[data-row]")

    me.comes_back_later()  # the password first, and the passkey as its second
    me.give_password()
    page.click("text=Use a passkey")
    page.wait_for_selector("[data-row]")

    # Six minutes later a device is to be quarantined: the page asks again and leads back.
    page.goto("/devices/")
    links = page.locator("main a[href^='/devices/']").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    device = next(link for link in links if re.fullmatch(r"/devices/\d+/", link))
    _forget_proofs(me)
    page.goto(f"{device}state/quarantined/")
    page.wait_for_url("**/account/step-up/**")
    page.click("text=Use a passkey")
    page.wait_for_url(f"**{device}state/quarantined/")


def _forget_proofs(me: Person) -> None:
    """Make this person's proofs old, in the store, as time does."""
    program = (
        "import time; from django.contrib.sessions.models import Session\n"
        "from django.contrib.sessions.backends.db import SessionStore\n"
        "for row in Session.objects.all():\n"
        "    session = SessionStore(row.session_key)\n"
        "    for record in session.get('account_authentication_methods', []): record['at'] -= 360\n"
        "    session['aged'] = True; session.save()\n"
    )
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "-v", "0", "-c", program]
    subprocess.run(command, env=me.ward.environment, check=True, capture_output=True)


def test_a_passkey_that_nobody_unlocked_is_refused_by_browser_and_server(person: Callable[[str], Person]) -> None:
    me = person("nurse")
    page = me.page
    me.holds(**{**AUTHENTICATOR, "transport": "usb", "hasUserVerification": False})
    me.give_password()
    page.goto("/account/passkeys/add/")
    page.click("main button.primary")  # the browser itself refuses what our page asks for
    page.get_by_text("was not unlocked in time").wait_for()
    page.evaluate(WEAKEN)
    page.click("main button.primary")  # and the server what a weaker page would have got
    page.get_by_text("was not accepted").wait_for()
    page.goto("/")
    page.wait_for_url("**/account/enrol/")  # still nobody

    me.holds(**AUTHENTICATOR)
    me.comes_back_later()
    me.enrol()
    me.comes_back_later()
    me.give_password()
    page.wait_for_selector("text=Use a passkey")
    me.unlocks(False)
    page.evaluate(WEAKEN)
    page.click("text=Use a passkey")
    page.get_by_text("was not accepted").wait_for()


def test_a_copied_answer_of_a_passkey_is_worth_nothing(person: Callable[[str], Person]) -> None:
    me = person("nurse")
    page = me.page
    me.enrol()
    me.comes_back_later()
    me.give_password()
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.click("text=Use a passkey")
    credential = dict(part.split("=", 1) for part in sent.value.post_data.split("&"))["credential"]
    page.wait_for_selector("[data-row]")
    me.comes_back_later()
    me.give_password()
    page.wait_for_selector("text=Use a passkey")
    set_it = "(text) => { const form = document.querySelector('form[data-passkey]'); "
    set_it += "form.elements.credential.value = decodeURIComponent(text.replaceAll('+', ' ')); form.submit(); }"
    page.evaluate(set_it, credential)
    page.get_by_text("was not accepted").wait_for()
    assert json.loads(page.evaluate("decodeURIComponent", credential.replace("+", " ")))["type"] == "public-key"


def test_signing_out_elsewhere_closes_the_open_board(chromium: Any, running_ward: RunningWard) -> None:
    places = [chromium.new_context(base_url=running_ward.url) for _ in range(2)]
    pages = [place.new_page() for place in places]
    for page in pages:
        sign_in(page, running_ward, "caregiver")
    left, here = pages
    left.wait_for_function("() => document.documentElement.dataset.live === 'live'", timeout=60_000)
    here.goto("/account/")
    here.click("text=Sign out everywhere else")
    here.get_by_text("Signed out in").wait_for()
    left.wait_for_function("() => document.documentElement.dataset.live === 'ended'")
    eventually(lambda: left.locator("[data-row]").count() == 0, 60, "the board is empty")
    for place in places:
        place.close()


def test_a_page_warns_before_nobody_counts_as_there_and_the_board_goes_on(
    chromium: Any, running_ward: RunningWard
) -> None:
    place = chromium.new_context(base_url=running_ward.url)
    page = place.new_page()
    sign_in(page, running_ward, "caregiver")
    page.clock.install()
    page.goto("/alerts/")
    page.clock.run_for("14:10")
    page.get_by_role("alertdialog").wait_for()
    page.get_by_role("button", name="I am here").click()
    page.clock.run_for(2000)
    page.get_by_role("alertdialog").wait_for(state="hidden")
    page.clock.run_for("15:05")
    page.wait_for_url("**/account/step-up/?next=%2Falerts%2F")

    page.goto("/")
    page.evaluate("localStorage.clear()")
    page.clock.run_for("15:05")
    page.get_by_text("The board stays live").wait_for()
    assert page.url.endswith("/")
    eventually(lambda: page.locator("[data-row]").count() == 1, 10, "the board still shows its patient")
    place.close()


def test_a_late_answer_of_another_tab_makes_no_dead_end_of_the_sign_in(
    chromium: Any, running_ward: RunningWard
) -> None:
    place = chromium.new_context(base_url=running_ward.url)
    page = place.new_page()
    sign_in(page, running_ward, "caregiver")
    late: list[tuple[Any, Any]] = []
    place.route("**/account/", lambda route: late.append((route, route.fetch())))
    page.evaluate("() => { fetch('/account/'); }")  # asked with the cookie of now, answered after the next page's
    eventually(lambda: page.wait_for_timeout(50) or late, 60, "the tab asks for a page")
    place.clear_cookies()
    again = place.new_page()
    again.goto("/account/login/")
    with page.expect_response("**/account/"):
        late[0][0].fulfill(response=late[0][1])
    again.fill("[name=login]", "caregiver")
    again.fill("[name=password]", running_ward.password)
    again.click("main button.primary")
    again.get_by_role("heading", name="This page was older than your sign-in.").wait_for()
    again.get_by_role("link", name="Sign in").click()
    again.wait_for_url("**/account/login/")
    sign_in(again, running_ward, "caregiver")
    place.close()
