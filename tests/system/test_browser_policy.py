"""An administrator asks about one device and compares a draft, in a real browser on a live ward."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import TimeoutError as TooSlow

from tests.system.conftest import eventually
from tests.system.visits import LIVE_MS, Visit

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.timeout(420)]


def find_device(page: Any, name: str) -> None:
    """Search for a device of the patient `name` and choose the first with the keyboard alone."""
    page.goto("/policy/")
    page.select_option("#kind", "device")
    page.focus("#q")
    page.keyboard.type(name)  # the list comes without a button

    def chosen() -> bool:
        """Typing slowly asks twice, and the second answer may take the focused link away: then tab to it again."""
        page.locator("#found a[href*='object=']").first.wait_for(timeout=LIVE_MS)
        page.focus("#q")
        for _ in range(10):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('#found a')"):
                page.keyboard.press("Enter")
                break
        with suppress(TooSlow):
            page.wait_for_selector("#thing", timeout=10_000)
        return page.locator("#thing").count() > 0

    eventually(chosen, 120, "the device is opened")


def test_an_administrator_asks_about_one_device_and_what_one_person_may_do_to_it(visit: Callable[..., Visit]) -> None:
    me = visit("administrator")
    page = me.page
    page.wait_for_selector("[data-tile] a.value[href]", timeout=LIVE_MS)  # from then on the ward's devices are there
    family = page.locator("[data-row] a[data-row-focus]").first.inner_text().split()[-1]
    find_device(page, family)
    assert family in page.inner_text(".asked-about")
    assert family not in page.url
    page.locator("#everybody").wait_for(timeout=LIVE_MS)
    nurse = page.locator(".answers tbody tr", has=page.locator("td", has_text="nurse")).first.locator("th a")
    nurse.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="What", exact=False).first.wait_for(timeout=LIVE_MS)
    summary = page.locator(".answers summary").first
    summary.focus()
    page.keyboard.press("Enter")
    page.locator(".answers details[open] .decides").wait_for(timeout=LIVE_MS)
    page.check("[name=off_shift]")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_url("**off_shift=on**", timeout=LIVE_MS)
    page.locator(".answers td.muted", has_text="Shift").first.wait_for(timeout=LIVE_MS)
    assert family not in page.url
    assert me.complaints == []


def test_a_draft_is_compared_down_to_each_person_and_thing(visit: Callable[..., Visit]) -> None:
    me = visit("administrator")
    page = me.page
    page.goto("/policy/draft/")
    page.fill("#text", page.input_value("#text").replace('"imaging.view_study" = "ward"\n', ""))
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("link", name="Each person, thing and reason").click(timeout=LIVE_MS)
    page.locator(".turning tbody tr").first.wait_for(timeout=LIVE_MS)
    assert "See images" in page.inner_text(".turning")
    assert page.locator(".said li").count() == 3
    page.select_option("#role", "nurse")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**role=nurse**", timeout=LIVE_MS)
    roles = page.locator(".turning tbody th").all_inner_texts()
    assert roles
    assert all("nurse" in text for text in roles)
    file = page.get_by_role("link", name="Take it along (CSV)")
    assert str(file.get_attribute("href")).startswith("/policy/compare/file/")
    assert me.complaints == []
