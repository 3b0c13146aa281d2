"""The what-if studio in a real browser, on a live ward: sliders move two simulated futures.

How soon is measured where nothing else runs beside it: benchmarks/whatif.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.system.conftest import eventually
from tests.system.visits import LIVE_MS, Visit

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.timeout(420)]
# From the finger on the slider to the new words on the page.
MOVE = """async ([name, value]) => {
  const slider = document.getElementById(name);
  const words = document.querySelector("#words-changed");
  const changed = new Promise((resolve) => new MutationObserver(resolve).observe(words, { childList: true }));
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  await changed;
  return words.textContent;
}"""
VIOLET = """(id) => {
  const canvas = document.getElementById(id);
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let violet = 0;
  for (let i = 0; i < pixels.length; i += 4) violet += pixels[i + 2] > pixels[i + 1] + 40 && pixels[i] > pixels[i + 1];
  return violet;
}"""


def test_a_trainer_moves_a_slider_and_sees_both_futures(visit: Callable[..., Visit]) -> None:
    me = visit("trainer")
    row = me.page.locator("[data-row]", has_text="mg/dL").first
    path = row.locator("a[data-row-focus]").get_attribute("href")
    me.page.goto(path)
    me.page.click("text=What if?")
    me.page.wait_for_selector("#outcome-now dd", timeout=LIVE_MS)
    eventually(lambda: me.page.evaluate(VIOLET, "chart-now") > 500, 60, "the future as now is drawn")
    for units in ("2", "4", "6", "8", "10"):
        assert f"{units} U bolus now" in me.page.evaluate(MOVE, ["bolus_u", units])
    eventually(lambda: me.page.evaluate(VIOLET, "chart-changed") > 500, 60, "the changed future is drawn")
    assert "more minutes below 70" in me.page.inner_text("#differences") or "rises" in me.page.inner_text(
        "#differences"
    )
    me.page.focus("#carbs_g")
    me.page.keyboard.press("End")
    me.page.locator("#words-changed", has_text="120 g").wait_for()
    me.page.click("text=Back to as now")
    me.page.locator("#differences", has_text="no difference").wait_for()
    assert me.page.locator(".badge.simulated", has_text="simulated").count() >= 4


def test_a_patient_without_a_sensor_gets_a_sentence_instead_of_a_picture(visit: Callable[..., Visit]) -> None:
    me = visit("trainer")
    row = me.page.locator("[data-row]").filter(has_not_text="mg/dL").first
    path = row.locator("a[data-row-focus]").get_attribute("href")
    me.page.goto(f"{path}what-if/")
    me.page.wait_for_selector("main .empty", timeout=LIVE_MS)
    assert "No glucose has been measured" in me.page.inner_text("main .empty")
