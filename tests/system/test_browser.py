"""A person of each role opens the running ward in a real browser, and does what the role is for.

`make pictures` runs this with MEDTWIN_PICTURES=docs/images, which is where the README's pictures come from.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.system.conftest import PATIENTS, ROOT, RunningWard, eventually, free_port, isolated_environment

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.timeout(420)]

LIVE_MS = 60_000
# Each role watches another metric: a bound just inside the healthy range makes a real alert of a real reading.
PROVOKED = {
    "nurse": ("respiration_rate", "19"),
    "physician": ("heart_rate", "99"),
    "caregiver": ("spo2", "99.5"),
    "administrator": ("temperature", "37.9"),
    "trainer": ("glucose", "165"),
}
MAY_ACKNOWLEDGE = {"nurse", "physician", "caregiver", "administrator"}
MAY_SEE_IMAGES = {"nurse", "physician", "caregiver", "trainer"}
DASH = {"energy": "Energy", "security": "Security", "adherence": "Adherence"}
SEES_ADHERENCE = {"nurse", "physician", "caregiver", "trainer"}

DRAWN = """() => {
  const canvas = document.querySelector("#stage canvas");
  if (!canvas || !canvas.width) return false;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < pixels.length; i += 4 * 97) seen.add(pixels[i]);
  return seen.size > 16;
}"""


DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}


class Visit:
    """One signed-in browser window, and everything its console complained about."""

    def __init__(self, browser: Any, ward: RunningWard, role: str, **options: Any) -> None:
        self.ward, self.role, self.complaints = ward, role, list[str]()
        self.context = browser.new_context(base_url=ward.url, **(DESKTOP | options))
        self.page = self.context.new_page()
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto("/account/login/")
        self.page.fill("[name=login]", role)
        self.page.fill("[name=password]", ward.password)
        self.page.click("main button[type=submit]")
        self.page.wait_for_selector("[data-row]")

    def status(self, path: str) -> int:
        """Return the status of a page without opening it, so that a refusal is no console error."""
        return int(self.context.request.get(path).status)


@pytest.fixture
def visit(chromium: Any, running_ward: RunningWard) -> Iterator[Callable[..., Visit]]:
    """A maker of visits that closes them and fails on any console error."""
    visits: list[Visit] = []

    def make(role: str, **options: Any) -> Visit:
        visits.append(Visit(chromium, running_ward, role, **options))
        return visits[-1]

    yield make
    for one in visits:
        one.context.close()
    assert [complaint for one in visits for complaint in one.complaints] == []


@pytest.fixture
def first_patient(visit: Callable[..., Visit]) -> str:
    """The path of the patient to whom the caregiver is linked."""
    path = visit("caregiver").page.locator("[data-row] a[data-row-focus]").first.get_attribute("href")
    assert path
    return path


def _provoke(physician: Visit, patient: str, metric: str, bound: str) -> None:
    """Set the patient's mildest lower limit for `metric` through the page a physician uses."""
    page = physician.page
    page.goto(f"{patient}limits/")
    fields = page.locator(f"input[name^='bound-{metric}'][name*='low']")
    bounds = [float(fields.nth(n).get_attribute("placeholder") or "0") for n in range(fields.count())]
    field = fields.nth(bounds.index(max(bounds)))
    name = field.get_attribute("name")
    assert name
    field.fill(bound)
    page.fill(f"input[name='{name.replace('bound-', 'delay-')}']", "0")
    page.get_by_role("button", name="Save limits").click()
    page.wait_for_load_state()
    assert not page.locator(".wrong").count(), page.locator(".wrong").all_inner_texts()


@pytest.mark.parametrize("role", list(PROVOKED))
def test_a_person_of_each_role_does_what_the_role_is_for(role: str, visit, first_patient: str) -> None:
    me = visit(role)
    page = me.page
    assert page.locator("[data-row]").count() == (1 if role == "caregiver" else PATIENTS)

    # A value changes while the page stays where it is.
    page.evaluate("window.stayed = true")
    row = page.locator(f"[data-row][data-patient='{first_patient.split('/')[2]}']")
    before = row.locator("[data-shown]").all_inner_texts()
    eventually(lambda: row.locator("[data-shown]").all_inner_texts() != before, 60, "a value on the board changes")
    assert page.evaluate("window.stayed")

    # An alert appears by itself on the open page, and is acknowledged by those who may.
    page.goto(first_patient)
    page.wait_for_selector("[data-panel=alerts] > :not(.skeleton)")
    page.evaluate("window.stayed = true")
    metric, bound = PROVOKED[role]
    _provoke(visit("physician"), first_patient, metric, bound)
    card = page.locator("[data-panel=alerts] [data-alert]", has_text=f"below {bound}")
    card.first.wait_for(timeout=LIVE_MS)
    assert page.evaluate("window.stayed")
    if role in MAY_ACKNOWLEDGE:
        card.get_by_role("button", name=re.compile("^Acknowledge")).first.click()
        card.get_by_text(re.compile("is on it")).wait_for(timeout=LIVE_MS)
    else:
        assert card.get_by_role("button", name=re.compile("^Acknowledge")).count() == 0

    # The reconstructed scan, and the three pages of analysis, for those whose business they are.
    if role in MAY_SEE_IMAGES:
        _open_reconstruction(me, first_patient)
    else:
        assert me.status("/imaging/") == 403
    for name, title in DASH.items():
        path = f"/analytics/{name}/"
        if name == "adherence" and role not in SEES_ADHERENCE:
            assert me.status(path) == 403
            continue
        page.goto(path)
        page.get_by_role("heading", name=title, exact=True).wait_for()
        page.wait_for_selector(".js-plotly-plot .main-svg", timeout=LIVE_MS)


def _open_reconstruction(me: Visit, patient: str) -> None:
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


def test_the_board_comes_back_by_itself_after_the_web_server_was_killed(visit, running_ward: RunningWard) -> None:
    me = visit("nurse")
    page = me.page
    page.wait_for_function("() => document.documentElement.dataset.live === 'live'", timeout=LIVE_MS)
    page.evaluate("window.stayed = true")
    children = psutil.Process(running_ward.process.pid).children()
    (web,) = [child for child in children if "daphne" in " ".join(child.cmdline())]
    web.send_signal(signal.SIGKILL)
    page.wait_for_function("() => document.documentElement.dataset.live !== 'live'", timeout=LIVE_MS)
    page.wait_for_function("() => document.documentElement.dataset.live === 'live'", timeout=LIVE_MS)
    before = page.locator("[data-shown]").all_inner_texts()
    eventually(lambda: page.locator("[data-shown]").all_inner_texts() != before, 60, "values flow again")
    assert page.evaluate("window.stayed")
    me.complaints.clear()  # the browser itself reports the lost connection


PAGES = {
    "ward": "/",
    "patient": "{patient}",
    "alerts": "/alerts/",
    "whatif": "{patient}what-if/",
    "adherence": "{patient}adherence/",
    "devices": "/devices/",
    "imaging": "/imaging/",
    "energy": "/analytics/energy/",
    "security": "/analytics/security/",
    "regularity": "/analytics/adherence/",
}
SIZES = {"desktop": (1440, 900), "phone": (360, 780)}
LOOKS = [(device, scheme, *size) for device, size in SIZES.items() for scheme in ("light", "dark")]
SHIPPED = {
    "ward-desktop-light", "ward-phone-dark", "patient-desktop-dark", "whatif-desktop-light", "viewer-desktop-dark",
    "adherence-desktop-light", "energy-desktop-light",
}  # fmt: skip


@pytest.mark.parametrize(("device", "scheme", "width", "height"), LOOKS)
def test_every_page_fits_and_stays_quiet_at_every_size_and_in_both_themes(
    device: str, scheme: str, width: int, height: int, visit, first_patient: str, tmp_path: Path
) -> None:
    me = visit("physician", viewport={"width": width, "height": height}, color_scheme=scheme)
    folder = ROOT / os.environ["MEDTWIN_PICTURES"] if os.environ.get("MEDTWIN_PICTURES") else tmp_path
    me.page.wait_for_selector("[data-tile] .value", timeout=LIVE_MS)  # the gateways are there
    if "MEDTWIN_PICTURES" in os.environ:
        me.page.wait_for_selector("[data-row].open", timeout=180_000)  # a ward in which something happens
    for name, path in PAGES.items():
        me.page.goto(path.format(patient=first_patient))
        me.page.wait_for_timeout(4000 if "MEDTWIN_PICTURES" in os.environ else 700)
        _check_and_keep(me.page, folder, f"{name}-{device}-{scheme}")
    _open_reconstruction(me, first_patient)
    _check_and_keep(me.page, folder, f"viewer-{device}-{scheme}")


def _check_and_keep(page: Any, folder: Path, name: str) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{name} is {wide} px too wide"
    if name in SHIPPED or "MEDTWIN_PICTURES" not in os.environ:
        page.screenshot(path=folder / f"{name}.png")


def test_a_page_is_usable_with_the_keyboard_alone(visit, first_patient: str) -> None:
    me = visit("nurse")
    page = me.page
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('[data-row]') !== null")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.matches('input')")
    page.keyboard.type("zzzz")
    eventually(lambda: not page.locator("[data-row]:visible").count(), 5, "the search hides every row")
    page.keyboard.press("Escape")


def test_ctrl_c_stops_every_process_of_the_ward(tmp_path: Path) -> None:
    """Asked of a ward of its own, since the shared one must go on."""
    environment = isolated_environment(tmp_path, "stopped")
    command = [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(free_port()), "--patients", "1"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        eventually(lambda: "Ctrl-C" in demo.stdout.readline(), 120, "the ward is up")
        launcher = psutil.Process(demo.pid)

        def gateway_runs() -> bool:
            return any("devices.gateway" in child.cmdline() for child in launcher.children(recursive=True))

        eventually(gateway_runs, 60, "a gateway process runs")
        started = launcher.children(recursive=True)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
    _gone, alive = psutil.wait_procs(started, timeout=5)
    assert alive == []
