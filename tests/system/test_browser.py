"""A person of each role opens the running ward in a real browser, and does what the role is for."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.patience import PATIENCE_S
from tests.system.conftest import PATIENTS, ROOT, RunningWard, eventually, free_port, isolated_environment
from tests.system.routes import private_routes
from tests.system.visits import LIVE_MS, SIZES, Visit, open_reconstruction, provoke

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.timeout(420)]

# Each role watches another metric.
PROVOKED = {
    "nurse": "respiration_rate",
    "physician": "heart_rate",
    "caregiver": "spo2",
    "administrator": "temperature",
    "trainer": "glucose",
}
MAY_ACKNOWLEDGE = {"nurse", "physician", "caregiver", "administrator"}
MAY_SEE_IMAGES = {"nurse", "physician", "caregiver", "trainer"}
DASH = {"energy": "Energy", "security": "Security", "adherence": "Adherence"}
SEES_ADHERENCE = {"nurse", "physician", "caregiver", "trainer"}


@pytest.mark.parametrize("role", list(PROVOKED))
def test_a_person_of_each_role_does_what_the_role_is_for(role: str, visit, first_patient: str) -> None:
    me = visit(role)
    page = me.page
    mine = 1 if role == "caregiver" else PATIENTS
    eventually(lambda: page.locator("[data-row]").count() == mine, 60, "every row: one may be moving to another place")

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
    bound = provoke(visit("physician"), first_patient, PROVOKED[role])
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
        open_reconstruction(me, first_patient)
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


def test_the_board_comes_back_by_itself_after_the_web_server_was_killed(visit, running_ward: RunningWard) -> None:
    me = visit("nurse")
    page = me.page
    page.wait_for_function("() => document.documentElement.dataset.live === 'live'", timeout=LIVE_MS)
    page.evaluate("window.stayed = true")
    children = psutil.Process(running_ward.process.pid).children()
    (web,) = [child for child in children if any("daphne" in word for word in words_of(child))]
    web.send_signal(signal.SIGKILL)
    page.wait_for_function("() => document.documentElement.dataset.live !== 'live'", timeout=LIVE_MS)
    page.wait_for_function("() => document.documentElement.dataset.live === 'live'", timeout=LIVE_MS)
    before = page.locator("[data-shown]").all_inner_texts()
    eventually(lambda: page.locator("[data-shown]").all_inner_texts() != before, 60, "values flow again")
    assert page.evaluate("window.stayed")
    me.complaints.clear()  # the browser itself reports the lost connection


def words_of(process: psutil.Process) -> list[str]:
    """Return a process's command line; none of one that has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


SCHEMES = ("light", "dark")
DRAWN_AGAIN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
_found: dict[tuple[str, str], list[str]] = {}  # by patient and role: asking every route of a living ward takes long


def whole_pages(me: Visit, patient: str) -> list[str]:
    """Return the paths of every page that this person may open, of the house and of this patient."""
    if (patient, me.role) in _found:
        return _found[patient, me.role]
    found = _found[patient, me.role] = []
    for route in private_routes():
        if set(route.parameters) <= {"patient_id"} and not route.template.startswith(("fhir/", "api/")):
            path = route.filled({"patient_id": patient.split("/")[2]})
            answer = me.context.request.get(path)
            if answer.ok and answer.url.endswith(path) and b"</html>" in answer.body():
                found.append(path)
    return found


@pytest.mark.parametrize("device", SIZES)
def test_every_page_fits_and_stays_quiet_at_every_size_and_in_both_themes(
    device: str, visit, first_patient: str
) -> None:
    width, height = SIZES[device]
    seen = set[str]()
    for role in ("physician", "administrator", "patient"):
        me = visit(role, viewport={"width": width, "height": height})
        paths = [path for path in whole_pages(me, first_patient) if path not in seen]
        assert paths, role
        seen |= set(paths)
        for path in paths:
            me.page.goto(path)
            me.page.wait_for_timeout(100)  # what comes by itself after the page
            for scheme in SCHEMES:
                me.page.emulate_media(color_scheme=scheme)
                me.page.evaluate(DRAWN_AGAIN)
                _check_fit(me.page, path)
        if role == "physician":
            open_reconstruction(me, first_patient)
            _check_fit(me.page, "the viewer")
    assert {"/", first_patient, "/alerts/", "/imaging/", "/devices/", "/people/", "/policy/", "/me/"} <= seen


def _check_fit(page: Any, name: str) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{name} is {wide} px too wide"
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    ink = [int(part) for part in re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).color"))[:3]]
    assert (sum(ink) > 384) is dark, f"{name} does not follow the scheme"


def test_a_page_is_usable_with_the_keyboard_alone(visit, first_patient: str) -> None:
    me = visit("nurse")
    page = me.page
    eventually(
        lambda: page.keyboard.press("j") or page.evaluate("document.activeElement.closest('[data-row]') !== null"),
        60,
        "a row has the focus",
    )
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
            return any("devices.gateway" in words_of(child) for child in launcher.children(recursive=True))

        eventually(gateway_runs, 60, "a gateway process runs")
        started = launcher.children(recursive=True)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(PATIENCE_S) == 0
    _gone, alive = psutil.wait_procs(started, timeout=PATIENCE_S)
    assert alive == []
