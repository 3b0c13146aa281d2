"""A person at a browser: signs in to the running ward, and notes what the console complains about."""

from __future__ import annotations

import re
from typing import Any

import pytest

from devices.kinds.registry import by_key
from tests.system.conftest import RunningWard, eventually

LIVE_MS = 120_000
SIZES = {"desktop": (1440, 900), "phone": (360, 780)}
STAFF = {"nurse", "physician", "administrator", "trainer"}
HOME = dict.fromkeys([*STAFF, "caregiver"], "[data-row]") | {"patient": "h1"}  # what tells that the first page is there
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
DRAWN = """() => {
  const canvas = document.querySelector("#stage canvas");
  if (!canvas || !canvas.width) return false;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < pixels.length; i += 4 * 97) seen.add(pixels[i]);
  return seen.size > 16;
}"""


def sign_in(page: Any, ward: RunningWard, role: str) -> None:
    """Sign in as a person of the demonstration does: staff press the button beside the code that the page fills in."""
    page.goto("/account/login/")
    page.fill("[name=login]", role)
    page.fill("[name=password]", ward.password)
    page.click("main button.primary")
    if role in STAFF:
        give_code(page)
    page.wait_for_selector(HOME[role])


def give_code(page: Any) -> None:
    """Press the button once the page has a code: each is good once, and the next may be half a minute away."""
    page.wait_for_selector("#id_code")
    for _ in range(70):
        if page.input_value("#id_code"):
            page.click("main form:has(#id_code) button")
            return
        page.wait_for_timeout(1000)
        page.reload()
    pytest.fail("the demonstration showed no code")


class Visit:
    """One signed-in browser window, and everything its console complained about.

    It goes on with the session of an earlier visit where that still holds: a code is good once, and the next is half a
    minute away.
    """

    def __init__(self, browser: Any, ward: RunningWard, role: str, **options: Any) -> None:
        self.ward, self.role, self.complaints = ward, role, list[str]()
        kept = ward.cookies.get(role)
        self.context = browser.new_context(base_url=ward.url, storage_state=kept, **(DESKTOP | options))
        self.page = self.context.new_page()
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if kept:
            self.page.goto("/")
        if not kept or "/account/" in self.page.url:  # somebody ended that session
            sign_in(self.page, ward, role)
            ward.cookies[role] = {**self.context.storage_state(), "origins": []}
        self.page.wait_for_selector(HOME[role])

    def status(self, path: str) -> int:
        """Return the status of a page without opening it, so that a refusal is no console error."""
        return int(self.context.request.get(path).status)


def open_reconstruction(me: Visit, patient: str) -> None:
    """Open the patient's reconstructed phantom once the worker has finished it, and see pixels."""
    page = me.page
    study = page.locator("[data-panel=images] a[href*='/imaging/studies/']", has_text="phantom")

    def ready() -> bool:
        page.goto(patient)
        page.wait_for_selector("[data-panel=images] > :not(.skeleton)")
        return bool(study.count())

    eventually(ready, 180, "the scan of the patient arrived")
    study.first.click()
    series = page.locator("[data-series]", has_text=re.compile("CG-SENSE", re.IGNORECASE)).first
    series.wait_for(timeout=LIVE_MS)
    series.click()
    page.wait_for_function(DRAWN, timeout=LIVE_MS)


def provoke(physician: Visit, patient: str, metric: str) -> str:
    """Make an alarm of the next reading of `metric`, whatever it is, through the page on which a physician sets limits.

    The mildest lower limit goes to the top of what can be measured, and the upper ones make room. Return the limit.
    """
    page = physician.page
    page.goto(f"{patient}limits/")
    fields = page.locator(f"input[name^='bound-{metric}-']").all()
    house = {str(field.get_attribute("name")): float(field.get_attribute("placeholder") or "0") for field in fields}
    upper = sorted((name for name in house if name.split("-")[2] == "high"), key=lambda name: -house[name])
    mildest = max((name for name in house if name.split("-")[2] == "low"), key=lambda name: house[name])
    top = int(by_key(metric).high)
    for below, name in enumerate([*upper, mildest]):
        page.fill(f"input[name='{name}']", str(top - below))
    page.fill(f"input[name='{mildest.replace('bound-', 'delay-')}']", "0")
    with page.expect_navigation():
        page.get_by_role("button", name="Save limits").click()
    assert not page.locator(".wrong").count(), page.locator(".wrong").all_inner_texts()
    return str(top - len(upper))
