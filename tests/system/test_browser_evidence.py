"""With the keyboard alone: from a number on the ward, and from an alarm, to what proves it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.system.conftest import eventually
from tests.system.visits import LIVE_MS, Visit, provoke

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.timeout(420)]


def _opened(page: Any) -> str:
    """Return what the panel says once it is there."""
    page.wait_for_selector("#evidence[open] .verdict", timeout=LIVE_MS)
    return str(page.locator("#evidence .verdict").inner_text())


def _close(page: Any) -> None:
    page.keyboard.press("Escape")
    assert page.locator("#evidence[open]").count() == 0


def _verified(page: Any) -> bool:
    """Open the evidence in focus again and tell whether every link holds by now; the log takes some seconds."""
    page.keyboard.press("Enter")
    said = _opened(page)
    _close(page)
    return said == "Verified"


def test_a_tile_and_an_alarm_open_their_evidence_with_the_keyboard_alone(visit: Callable[..., Visit]) -> None:
    nurse, physician = visit("nurse"), visit("physician")
    page = nurse.page
    page.wait_for_selector("[data-tile] a.value[href]", timeout=LIVE_MS)
    patient = page.locator("[data-row] a[data-row-focus]").first.get_attribute("href")
    page.keyboard.press("j")  # the first row
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('a.value[data-evidence]')"):
            break
    href = page.evaluate("document.activeElement.getAttribute('href')")
    assert href.startswith("/evidence/reading/")
    # The number goes on changing; the reading that stood there stays what it was.
    page.goto(href)
    eventually(lambda: "Verified" in (page.reload() and page.locator(".verdict").inner_text()), 90, "verified")

    bound = provoke(physician, str(patient), "heart_rate")
    page.goto(str(patient))
    link = page.locator("[data-panel=alerts] a[data-evidence]").first
    link.wait_for(timeout=LIVE_MS)
    page.keyboard.press("Tab")
    for _ in range(60):
        if page.evaluate("document.activeElement.matches('[data-panel=alerts] a[data-evidence]')"):
            break
        page.keyboard.press("Tab")
    eventually(lambda: _verified(page), 90, "the reading behind the alarm is verified")
    assert page.evaluate("document.activeElement.matches('[data-evidence]')"), "the focus came back"

    page.goto(f"{patient}timeline/")
    page.wait_for_selector("#lanes .mark", timeout=LIVE_MS)
    page.get_by_text(re.compile(f"below {bound}|Heart rate")).first.wait_for(state="attached", timeout=LIVE_MS)
