"""The gateway's own page: what it shows, who may press its buttons, and what it refuses, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from devices.emulator.plant import Sample
from devices.gateway.agent import Agent
from devices.gateway.config import load
from devices.gateway.page.config import PageRefused
from devices.gateway.page.http import MAX_HEAD_BYTES, WRONG_PINS, StatusPage
from devices.gateway.queue import Batch
from devices.gateway.state import Devices
from devices.kinds.registry import Urgency, by_key
from devices.protocol.frames import FrameKind
from tests.devices.gateway.conftest import DEVICE_KEYS, PUBLIC
from tests.devices.gateway.server import Ward
from tests.devices.gateway.test_agent import running
from tests.patience import until

Write = Callable[..., Path]
LOW = "tests.devices.gateway.plants:build_low"
DEVICES = [
    {"device_id": 7, "kind": "cgm", "key_hex": DEVICE_KEYS[7].hex()},
    {"device_id": 8, "kind": "insulin_pump", "key_hex": DEVICE_KEYS[8].hex()},
]
EDGE = {"actuate": True, "pairs": [{"cgm": 7, "pump": 8}]}


class Heard(NamedTuple):
    """How the gateway stands with a device in the air."""

    connected: bool = False
    bonded: bool = False
    rssi: int | None = None
    battery: int | None = None


async def ask(
    port: int, path: str = "/", *, body: str | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """Return status, headers and text of one request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = {"Host": f"127.0.0.1:{port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent |= {"Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    writer.write(f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\n{lines}\r\n{body or ''}".encode())
    raw = (await reader.read()).decode()
    writer.close()
    head, _, text = raw.partition("\r\n\r\n")
    first, *rest = head.split("\r\n")
    found = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    return int(first.split()[1]), found, text


def own(port: int) -> dict[str, str]:
    return {"Origin": f"http://127.0.0.1:{port}"}


@dataclass
class Gateway:
    """A running gateway with its page."""

    agent: Agent
    page: StatusPage

    @property
    def port(self) -> int:
        return self.page.port

    async def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((await ask(self.port, "/status.json"))[2])
        return found


@asynccontextmanager
async def opened(write: Write, **changes: Any) -> AsyncIterator[Gateway]:
    """Run a gateway that sees a severe low, with its page on a free port."""
    page = {"port": 0} | changes.pop("page", {})
    usual = {"interval_s": 0.05, "devices": DEVICES, "edge": EDGE, "entry": LOW}
    async with running(write(page=page, **(usual | changes))) as agent:
        await until(lambda: agent.page is not None and agent.page.port)
        assert agent.page is not None
        yield Gateway(agent, agent.page)


async def test_page_tells_of_the_line_the_queue_the_devices_and_the_stopped_pump(write_config: Write) -> None:
    async with opened(write_config) as gateway:
        await until(lambda: gateway.agent.guard.stops())
        status, headers, text = await ask(gateway.port)
        shown = await gateway.status()
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    for words in (
        "Cut off from the server",
        "Severe low glucose",
        "Insulin pump 8",
        "the insulin pump was stopped",
        "while cut off from the server",
        "I have seen it",
        "Give insulin again now",
        "Acting is switched on",
    ):
        assert words in text
    assert " style=" not in text
    assert shown["line"]["state"] == "cut off"
    assert [row["urgency"] for row in shown["queue"]] == ["dose", "alarm", "urgent", "telemetry", "bulk"]
    assert {row["device_id"] for row in shown["devices"]} == {7, 8}


async def test_connected_gateway_says_so(write_config: Write) -> None:
    async with (
        Ward(DEVICE_KEYS, PUBLIC, lambda *_: "ack").open() as ward,
        opened(write_config, port=ward.port) as gateway,
    ):
        await until(lambda: gateway.agent.line.state == "connected")
        assert "Connected to the server" in (await ask(gateway.port))[2]


async def test_alarm_is_acknowledged_and_insulin_given_back_by_a_person_on_the_page(write_config: Write) -> None:
    async with opened(write_config) as gateway:
        await until(lambda: gateway.agent.guard.stops())
        alarm = gateway.agent.guard.alarms()[-1]
        status, _, text = await ask(gateway.port, "/acknowledge", body=f"alarm={alarm.number}", **own(gateway.port))
        assert (status, "Noted" in text, "Somebody has seen it" in text) == (200, True, True)
        assert (await ask(gateway.port, "/acknowledge", body=f"alarm={alarm.number}", **own(gateway.port)))[0] == 409
        status, _, text = await ask(gateway.port, "/resume", body="pump=8", **own(gateway.port))
        assert (status, "The pump runs again" in text) == (200, True)
        assert gateway.agent.guard.stops() == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_another_sites_page_presses_no_button(write_config: Write, headers: dict[str, str]) -> None:
    async with opened(write_config) as gateway:
        await until(lambda: gateway.agent.guard.stops())
        sent = headers if "Sec-Fetch-Site" not in headers else headers | own(gateway.port)
        assert (await ask(gateway.port, "/resume", body="pump=8", **sent))[0] == 403
        assert gateway.agent.guard.stops()


async def test_name_that_was_pointed_here_gets_no_answer(write_config: Write) -> None:
    async with opened(write_config) as gateway:
        status, _, text = await ask(gateway.port, Host=f"evil.example:{gateway.port}")
        assert (status, "Gateway" in text) == (421, False)
        assert (await ask(gateway.port, Host=f"localhost:{gateway.port}"))[0] == 200


async def test_wrong_pin_opens_nothing_and_many_close_the_buttons_for_a_while(write_config: Write) -> None:
    folder = write_config().parent
    (folder / "pin").write_text("271828\n")
    async with opened(write_config, page={"pin_file": "pin"}) as gateway:
        await until(lambda: gateway.agent.guard.stops())
        assert 'name="pin"' in (await ask(gateway.port))[2]
        for _ in range(WRONG_PINS):
            assert (await ask(gateway.port, "/resume", body="pump=8&pin=0", **own(gateway.port)))[0] == 403
        assert (await ask(gateway.port, "/resume", body="pump=8&pin=271828", **own(gateway.port)))[0] == 429
        gateway.page._locked_until = 0.0
        assert (await ask(gateway.port, "/resume", body="pump=8&pin=271828", **own(gateway.port)))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/secrets", None, 404),
        ("/../etc/passwd", None, 404),
        ("/resume", "pump=8%00", 400),
        ("/resume", "pump=x", 400),
        ("/resume", "", 400),
        ("/resume", "a=1&b=2&c=3&d=4&e=5", 400),
        ("/acknowledge", "alarm=" + "9" * 900, 409),
        ("/acknowledge", "alarm=1" + "0" * 4000, 413),
        ("/close", "pump=8", 404),
    ],
)
async def test_bad_request_gets_a_short_refusal(write_config: Write, path: str, body: str | None, status: int) -> None:
    async with opened(write_config) as gateway:
        found, _, text = await ask(gateway.port, path, body=body, **own(gateway.port))
        assert found == status
        if status != 409:
            assert len(text) < 100


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01 hello\r\n\r\n", b"BREW / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"x" * 20_000]
)
async def test_noise_harms_nobody(write_config: Write, raw: bytes) -> None:
    async with opened(write_config) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(raw)
        writer.write_eof()
        assert len(await reader.read()) < MAX_HEAD_BYTES
        writer.close()
        assert (await ask(gateway.port))[0] == 200


async def test_words_of_a_device_are_escaped(write_config: Write) -> None:
    devices = [*DEVICES, {"device_id": 9, "kind": "<script>alert(1)</script>", "key_hex": "00" * 16}]
    async with opened(write_config, devices=devices) as gateway:
        text = (await ask(gateway.port))[2]
    assert "&lt;script&gt;alert" in text
    assert "<script>alert" not in text


async def test_full_disk_is_an_alarm_on_the_page(write_config: Write) -> None:
    async with opened(write_config, max_queue_mb=1) as gateway:
        number = 0
        while not gateway.agent.queue.depth().doses_only:
            payload = [Batch(7, FrameKind.READINGS, bytes(8000), urgency=Urgency.DOSE) for _ in range(10)]
            gateway.agent.queue.append(payload, {})
            number += 1
            assert number < 100
        assert "Only dose events are still stored" in (await ask(gateway.port))[2]


def test_page_for_the_network_needs_a_pin(write_config: Write) -> None:
    for page, words in (
        ({"port": 8780, "address": "0.0.0.0"}, "needs page.pin_file"),
        ({"port": 8780, "address": "here"}, "no IP address"),
        ({"port": 99999}, "no port"),
    ):
        with pytest.raises(PageRefused, match=words):
            load(write_config(page=page))
    config = load(write_config(page={"port": 8780, "pin_file": "pin"}))
    (write_config().parent / "pin").write_text("12")
    with pytest.raises(PageRefused, match="6 digits"):
        config.page.pin(Path(config.folder))


def test_the_air_is_on_the_page_and_a_reading_knows_the_battery_better(write_config: Write) -> None:
    devices = Devices(load(write_config(devices=DEVICES)))
    devices.air = lambda: {7: Heard(True, True, -61, 40), 8: Heard(battery=70)}
    devices.hear([Sample(8, by_key("battery").code, 1000.0, 55.0)], 1000.0)
    rows = {row["device_id"]: row for row in devices.rows(1000.0)}
    assert (rows[7]["signal"], rows[7]["battery_percent"]) == ("connected, bonded, \N{MINUS SIGN}61 dBm", 40)
    assert (rows[8]["signal"], rows[8]["battery_percent"]) == ("not connected", 55.0)
    devices.air = dict
    assert {row["signal"] for row in devices.rows(1000.0)} == {""}, "on the in-process link there is no air"
