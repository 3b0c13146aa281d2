"""The patient's own page on a phone, in Chromium, against a running ward."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.conftest import RunningWard, eventually
from tests.system.visits import LIVE_MS

pytestmark = pytest.mark.browser


def test_on_a_phone_a_patient_refuses_a_use_and_opens_what_proves_a_value(
    chromium: Any, running_ward: RunningWard
) -> None:
    context = chromium.new_context(base_url=running_ward.url, viewport={"width": 360, "height": 740})
    page, complaints = context.new_page(), []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.goto("/account/login/")
    page.fill("[name=login]", "patient")
    page.fill("[name=password]", running_ward.password)
    page.click("main button.primary")
    page.wait_for_url("**/me/")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
    switch = page.get_by_role("switch", name="Training of staff")
    before = switch.get_attribute("aria-checked")
    box = switch.bounding_box()
    assert box["height"] >= 44
    assert box["x"] + box["width"] <= 360
    switch.focus()
    page.keyboard.press("Enter")
    wanted = "false" if before == "true" else "true"
    page.wait_for_selector(f"#use-training [role=switch][aria-checked={wanted}]")
    page.reload()
    assert switch.get_attribute("aria-checked") == wanted
    value = page.locator(".values a[data-evidence]").first
    eventually(lambda: page.reload() and value.count(), 120, "a device has measured something")
    value.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#evidence[open] .verdict", timeout=LIVE_MS)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
    assert "which you wore" in page.locator("#evidence").inner_text()
    page.keyboard.press("Escape")
    assert page.evaluate("() => document.activeElement.matches('.values a[data-evidence]')"), "the focus came back"
    context.close()
    assert complaints == []
