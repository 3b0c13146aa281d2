"""An administrator brings gateways and devices in, in a real browser: one by one until a value is seen, and by file."""

from __future__ import annotations

import csv
import json
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE_S, eventually
from tests.system.conftest import ROOT
from tests.system.visits import LIVE_MS, Visit, give_code
from twin.launcher import die_with_parent

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.timeout(420)]
_TOKEN = secrets.token_hex(3)  # so that the test may run twice on one ward
GATEWAY, SERIAL = f"Window side {_TOKEN}", f"MON-{_TOKEN}"


class Box:
    """The small computer beside the bed: a folder, and what is run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.gateway: subprocess.Popen[bytes] | None = None

    def type(self, line: str) -> str:
        """Run a line that a page showed, as somebody types it into a shell, and return what it said."""
        program, *rest = shlex.split(line)
        assert program == "python"
        done = subprocess.run(
            [sys.executable, *rest],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        """Name what reads the devices, an emulated pulse, and start the gateway."""
        path = self.folder / "config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps(config | {"plant": {"entry": "tests.devices.gateway.plants:build"}}))
        self.gateway = subprocess.Popen(
            [sys.executable, "-m", "devices.gateway", "--config", "config.json"],
            cwd=self.folder,
            env=self.environment,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )

    def stop(self) -> None:
        """End the gateway."""
        if self.gateway is not None:
            self.gateway.terminate()
            self.gateway.wait(PATIENCE_S)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    one = Box(tmp_path)
    yield one
    one.stop()


def press(page: Any, name: str) -> None:
    """Press what leads on, and prove who one is where that is asked."""
    page.locator("main").get_by_role("link", name=name, exact=True).first.click()
    page.wait_for_load_state()
    if "/account/step-up/" in page.url:
        give_code(page)
        page.wait_for_url(lambda url: "/account/" not in url)


def pair(page: Any, box: Box) -> str:
    """Have a code made, type its line into the box, and see the page notice it without being loaded again."""
    page.get_by_role("button", name="Show a code").click()
    page.locator("img.qr").wait_for()
    line = page.locator("pre.line code").inner_text()
    page.get_by_text("Waiting for the gateway").wait_for()
    page.evaluate("window.stayed = true")
    said = box.type(line)
    page.get_by_role("status").get_by_text("Paired", exact=True).wait_for(timeout=LIVE_MS)
    assert page.evaluate("window.stayed")
    assert page.locator(".secret").inner_text() not in page.url
    page.get_by_role("link", name="Go on").click()
    return said


def test_from_two_boxes_to_a_value_that_is_seen_live(visit: Callable[..., Visit], box: Box) -> None:
    me = visit("administrator")
    page = me.page
    page.goto("/devices/")
    press(page, "Register a gateway")
    page.fill("#id_name", GATEWAY)
    page.select_option("#id_link", "ethernet")
    page.get_by_role("button", name="Register").click()
    page.get_by_text("not paired").wait_for()
    press(page, "Pair")
    assert pair(page, box).startswith("Gateway ")

    press(page, "Register a device")
    page.select_option("#id_kind", "vital_signs_monitor")
    page.fill("#id_serial", SERIAL)
    page.fill("#id_label", "Monitor by the window")
    page.get_by_label("Cipher").select_option(label="AES-128-GCM")
    assert GATEWAY in page.locator("#id_gateway option:checked").inner_text()
    page.get_by_role("button", name="Register").click()
    page.get_by_role("heading", name="Monitor by the window").wait_for()
    press(page, "Pair")
    assert pair(page, box).startswith("Device ")
    device = page.url

    press(page, "Who wears it")
    wearer = page.locator("#id_wearer option").last.inner_text()
    page.select_option("#id_wearer", label=wearer)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("not heard yet").wait_for()

    # The table notices by itself that the device is heard, and its page has the values.
    page.goto(f"/devices/?q={SERIAL}")
    page.evaluate("window.stayed = true")
    box.start()
    row = page.locator("#devices tbody tr", has_text=SERIAL)
    row.get_by_text("well", exact=True).wait_for(timeout=LIVE_MS)
    assert page.evaluate("window.stayed")
    assert wearer.split(",")[0] in row.inner_text()
    row.get_by_role("link", name="Monitor by the window").click()
    page.locator("tr", has_text="Heart rate").locator("a[data-number]").wait_for(timeout=LIVE_MS)
    assert page.locator("#setup").count() == 0
    # Its gateway reads it in its own process, and says so.
    eventually(lambda: page.reload() and page.locator(".facts").get_by_text("not radio").count(), 60, "it is no radio")

    # What is wished of it reaches the gateway, which says that it follows.
    press(page, "Configure")
    page.get_by_label("Of each measurement it sends at most").select_option(label="One in 5 s")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("at most one value of each in 5 s").wait_for()
    press(page, "Configure")
    eventually(lambda: page.reload() and page.get_by_text("Its gateway follows:").count(), 60, "it follows")
    press(page, "Monitor by the window")

    # A rule of the gateway and another cipher: wished, followed by the process, and told back under the new cipher.
    press(page, "Configure")
    page.get_by_role("link", name="rules at the gateway").first.click()
    battery = page.locator("section", has=page.get_by_role("heading", name="Battery nearly empty"))
    battery.get_by_label("What it does").select_option(label="On, as here")
    battery.get_by_text("Bounds").click()
    battery.get_by_label("Below").fill("99")
    page.get_by_role("button", name="Save").click()
    page.locator(".wrong", has_text="below_percent is 99; safe is 1 to 90").wait_for()
    me.complaints.clear()  # that the answer was 400
    battery.get_by_label("Below").fill("30")
    page.locator("#id_suite").select_option(label="Ascon-AEAD128")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved. Its gateway follows").wait_for()
    eventually(lambda: page.reload() and page.get_by_text("Its gateway follows.").count(), 60, "it follows the rule")
    assert "an alarm here, below 30 %" in battery.inner_text()
    assert page.get_by_text("Its frames are sealed with Ascon-AEAD128").count()
    press(page, "Leave as it is")

    # A limit of what it measures: an own value beside the default, undone, and back to the default.
    press(page, "Alarm limits of what it measures")
    bound = page.get_by_label("Temperature, high limit, medium priority, °C")
    house = str(bound.get_attribute("placeholder"))
    bound.fill("400")
    page.get_by_role("button", name="Save limits").click()
    page.locator(".wrong", has_text="lies between").wait_for()
    me.complaints.clear()  # that the answer was 400
    bound.fill("39.5")
    page.get_by_role("button", name="Save limits").click()
    page.get_by_text("Own value.").wait_for()
    page.get_by_role("button", name="Back to the house's limit: Temperature, high, medium").click()
    page.get_by_text("Own value.").wait_for(state="detached")
    page.get_by_role("button", name="Undo").first.click()
    page.get_by_text("Own value.").wait_for()
    assert bound.input_value() == "39.5"
    page.get_by_role("button", name="Back to the house's limit: Temperature, high, medium").click()
    page.get_by_text("Own value.").wait_for(state="detached")
    assert (bound.input_value(), bound.get_attribute("placeholder")) == ("", house)
    press(page, "Leave as it is")

    # What the gateway runs is approved, and the device taken off again before it falls silent.
    page.locator(".facts").get_by_role("link", name=GATEWAY).click()
    page.get_by_text("up", exact=True).wait_for(timeout=LIVE_MS)
    press(page, "Approve")
    page.get_by_role("button", name="Approve").click()
    page.locator(".facts").get_by_text("approved", exact=True).wait_for()
    assert page.locator("#setup").count() == 0
    page.goto(device)
    press(page, "Who wears it")
    page.select_option("#id_wearer", label="Nobody")
    page.get_by_role("button", name="Save").click()
    page.locator(".facts dd", has_text="nobody").wait_for()
    press(page, "Retire")
    page.fill("#serial", SERIAL)
    page.get_by_role("button", name="Retire").click()
    page.locator("td.mono", has_text="device_retired").wait_for()
    noted = {
        "device_registered": 1,
        "device_paired": 1,
        "device_assigned": 1,
        "device_configured": 2,
        "device_cipher_chosen": 1,
        "limits_set": 4,
        "device_unassigned": 1,
        "device_retired": 1,
    }
    for code, times in noted.items():
        assert page.locator("td.mono", has_text=code).count() == times, code


def test_a_file_of_many_is_mended_registered_and_paired_from_what_is_downloaded(
    visit: Callable[..., Visit], box: Box, tmp_path: Path
) -> None:
    me = visit("administrator")
    page = me.page
    page.goto("/devices/")
    press(page, "Many from a file")
    ward = page.context.request.get("/devices/").text().split('data-label="Ward">')[1].split("<")[0]
    hub, serial = f"Corridor {_TOKEN}", f"CGM-{_TOKEN}"
    lines = ["kind;gateway;serial;label;ward", f"gateway;{hub};;;{ward}", f"cgm;{hub};{serial};An der Tür;"]
    sheet = tmp_path / "devices.csv"
    sheet.write_bytes("\r\n".join([*lines, f"cgm;{hub};{serial};Zweites;"]).encode("windows-1252"))
    page.set_input_files("#file", sheet)
    page.get_by_text("devices.csv is shown below").wait_for()
    assert "An der Tür" in page.input_value("#sheet")
    page.get_by_role("button", name="Check").click()
    page.get_by_text("Line 3 has the same serial number").wait_for()
    assert me.complaints == ["Failed to load resource: the server responded with a status of 400 (Bad Request)"]
    me.complaints.clear()

    page.fill("#sheet", "\n".join(lines))
    page.get_by_role("button", name="Check once more").click()
    page.get_by_role("button", name="Register all 2").click()
    page.get_by_text("1 gateway and 1 device stand in the registry now").wait_for()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Make codes and download them").click()
    with Path(downloading.value.path()).open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(one["kind"], one["serial"], one["label"]) for one in table] == [
        ("gateway", "", ""),
        ("cgm", serial, "An der Tür"),
    ]
    for one in table:
        code = one["pairing_address"].split("code=")[1].split("&")[0]
        assert code not in page.content()
        box.type(f"python -m devices.gateway pair '{one['pairing_address']}'")
    page.get_by_role("link", name="An der Tür").click()
    page.locator("td.mono", has_text="device_paired").wait_for()
