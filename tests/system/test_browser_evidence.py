"""With the keyboard alone: from a number on the ward, and from an alarm, to what proves it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import TimeoutError as TooSlow

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


TILE, ALARM = "a.value[data-evidence]", "[data-panel=alerts] a[data-evidence]"


def _tab_to(page: Any, link: str, tabs: int) -> str | None:
    """Go on with the tabulator until such a link has the focus; return where it leads, None when none was met."""
    for _ in range(tabs):
        place = page.evaluate("link => document.activeElement.matches(link) && document.activeElement.href", link)
        if place:
            return str(place)
        page.keyboard.press("Tab")
    return None


def _verified(page: Any) -> bool:
    """Open the alarm's evidence again and tell whether every link holds by now; the log takes some seconds.

    Between looking and pressing, the panel may be fetched anew, and the link with it: then it is looked for again.
    """
    if not _tab_to(page, ALARM, 60):
        return False
    page.keyboard.press("Enter")
    try:
        page.wait_for_selector("#evidence[open]", timeout=10_000)
    except TooSlow:
        return False
    said = _opened(page)
    _close(page)
    back = page.evaluate("link => document.activeElement.matches(link)", ALARM)
    return said == "Verified" and bool(back)


def test_a_tile_and_an_alarm_open_their_evidence_with_the_keyboard_alone(visit: Callable[..., Visit]) -> None:
    nurse, physician = visit("nurse"), visit("physician")
    page = nurse.page
    page.wait_for_selector("[data-tile] a.value[href]", timeout=LIVE_MS)
    patient = page.locator("[data-row] a[data-row-focus]").first.get_attribute("href")
    eventually(
        lambda: page.keyboard.press("j") or page.evaluate("document.activeElement.matches('[data-row-focus]')"),
        60,
        "a row has the focus",
    )
    href = _tab_to(page, TILE, 20)
    assert href
    assert "/evidence/reading/" in href
    # The number goes on changing; the reading that stood there stays what it was.
    page.goto(href)
    eventually(lambda: "Verified" in (page.reload() and page.locator(".verdict").inner_text()), 90, "verified")

    bound = provoke(physician, str(patient), "heart_rate")
    page.goto(str(patient))
    link = page.locator("[data-panel=alerts] a[data-evidence]").first
    link.wait_for(timeout=LIVE_MS)
    eventually(lambda: _verified(page), 90, "the reading behind the alarm is verified, and the focus comes back to it")

    page.goto(f"{patient}timeline/")
    page.wait_for_selector("#lanes .mark", timeout=LIVE_MS)
    page.get_by_text(re.compile(f"below {bound}|Heart rate")).first.wait_for(state="attached", timeout=LIVE_MS)
