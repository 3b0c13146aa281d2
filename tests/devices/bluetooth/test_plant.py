"""The gateway's radio from its configuration to its queue: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest
from bumble.transport.tcp_server import open_tcp_server_transport_with_socket

from devices.bluetooth.plant import AirPlant
from devices.emulator.plant import Block, Sample
from devices.gateway.collector import Collector
from devices.gateway.config import ConfigRefused, load
from devices.gateway.queue import DiskQueue
from devices.gateway.radio import tune_in
from devices.kinds.registry import by_key
from devices.protocol.decoding import decode_readings
from devices.protocol.frames import FrameKind
from tests.devices.bluetooth.conftest import NOON, Room, address, until

GLUCOSE, VOLUME = by_key("glucose").code, by_key("infused_volume").code


class Script:
    """A plant that says exactly what a test put into it."""

    def __init__(self) -> None:
        self.next: list[Sample] = []

    def advance(self, t: float) -> Iterable[Sample | Block]:
        said, self.next = self.next, []
        return said


def config_file(folder: Path, radio: str, **changes: object) -> Path:
    described = {
        "gateway_id": 3,
        "server": "ws://127.0.0.1:9/ws/gateway/",
        "private_key_file": "gateway.key",
        "queue": "queue.sqlite3",
        "radio": radio,
        "devices": [
            {"device_id": 7, "kind": "cgm", "key_hex": "07" * 16, "address": address(7), "serial": "EMU-7"},
            {"device_id": 8, "kind": "infusion_pump", "key_hex": "08" * 16, "address": address(8)},
            {"device_id": 9, "kind": "cgm", "key_hex": "09" * 16},
        ],
        "plant": {"entry": "", "options": {}},
    }
    path = folder / "gateway.json"
    path.write_text(json.dumps(described | changes))
    return path


class Gateway:
    """What an agent does with a radio, step by step."""

    def __init__(self, folder: Path, radio: str, now: float) -> None:
        self.now, self.script = now, Script()
        config = load(config_file(folder, radio))
        self.queue = DiskQueue(folder / "queue.sqlite3", [7, 8, 9])
        plant = tune_in(config, self.script, self.queue, lambda: self.now)
        assert isinstance(plant, AirPlant)
        self.plant = plant
        self.collector = Collector(plant, self.queue)
        self.running = asyncio.get_running_loop().create_task(plant.run())

    def collect(self) -> None:
        self.collector.collect(self.now)

    def queued(self, device: int, code: int) -> list[tuple[float, float]]:
        """Return what waits in the queue, in its order."""
        self.collect()
        found: list[tuple[float, float]] = []
        for batch in self.queue.after(0, 10_000):
            if batch.device == device and batch.kind is FrameKind.READINGS:
                rows = decode_readings(batch.device, batch.payload)
                found += [(row["t"].item(), row["value"].item()) for row in rows if row["metric"] == code]
        return found

    async def stop(self) -> None:
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.running
        self.queue.close()


async def test_a_cut_in_the_middle_leaves_the_queue_whole(tmp_path: Path):
    gateway = Gateway(tmp_path, "virtual", NOON + 3600.0)
    made = {7: [(NOON + 60.0 * i, 100.0 + i) for i in range(30)], 8: [(NOON + i, 0.5 * i) for i in range(300)]}
    beside = [(NOON + 60.0 * i, 90.0) for i in range(3)]
    gateway.script.next = [Sample(9, GLUCOSE, t, value) for t, value in beside]

    def measure(part: slice, of_volumes: slice) -> None:
        gateway.script.next += [Sample(7, GLUCOSE, t, value) for t, value in made[7][part]]
        gateway.script.next += [Sample(8, VOLUME, t, value) for t, value in made[8][of_volumes]]
        gateway.collect()

    measure(slice(0, 10), slice(0, 100))
    await until(lambda: gateway.queued(7, GLUCOSE) and gateway.queued(8, VOLUME))
    central, air = gateway.plant.central, gateway.plant.air
    assert central is not None
    assert air is not None
    for number, (part, volumes) in enumerate(
        [(slice(10, 20), slice(100, 200)), (slice(20, 25), slice(200, 250)), (slice(25, 30), slice(250, 300))]
    ):
        await until(lambda: central.health[7].bonded and central.health[8].bonded)
        for peripheral in gateway.plant._emulated.values():
            if number != 1 or peripheral.identity.device_id == 8:
                air.cut(peripheral.device)
        measure(part, volumes)
    await until(lambda: len(gateway.queued(7, GLUCOSE)) >= 30 and len(gateway.queued(8, VOLUME)) >= 300)
    await until(lambda: all(one.connected for one in central.health.values()))
    assert {number: one.bonded for number, one in gateway.plant.health().items()} == {7: True, 8: True}
    assert gateway.queued(7, GLUCOSE) == made[7]
    assert gateway.queued(8, VOLUME) == made[8]
    assert gateway.queued(9, GLUCOSE) == beside  # on the in-process link
    await gateway.stop()


async def test_any_controller_will_do_and_a_restart_goes_on_where_the_queue_ends(room: Room):
    """The gateway's host stands behind a TCP socket, as it would behind USB; only its bonds and its queue survive."""
    await room.add(7, "cgm")
    await room.add(8, "infusion_pump")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        transport = await open_tcp_server_transport_with_socket(listener)
        controller = room.air.controller("dongle", transport.source, transport.sink)
        expected: list[tuple[float, float]] = []
        for life in range(2):
            minutes = range(10 * life, 10 * life + 10)
            for minute in minutes:
                expected.append((NOON + 60.0 * minute, 100.0 + minute))
                room.measure(7, "glucose", *expected[-1])
                room.measure(8, "infused_volume", NOON + 60.0 * minute, float(minute))
            gateway = Gateway(room.folder, f"tcp-client:127.0.0.1:{port}", NOON + 3600.0)
            await until(lambda gateway=gateway: len(gateway.queued(7, GLUCOSE)) >= len(expected))
            await until(lambda gateway=gateway: len(gateway.queued(8, VOLUME)) >= len(expected))
            assert gateway.queued(7, GLUCOSE) == expected
            await gateway.stop()
            await until(lambda: not room.devices[7].device.connections and not room.devices[8].device.connections)
        await transport.close()
        room.air.switch_off(controller)


async def test_a_radio_that_is_not_there_is_named_and_tried_again(tmp_path: Path, caplog, monkeypatch):
    monkeypatch.setattr("devices.bluetooth.plant.REOPEN_FIRST_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with caplog.at_level(logging.ERROR, "devices.bluetooth.plant"):
        gateway = Gateway(tmp_path, f"tcp-client:127.0.0.1:{port}", NOON)
        await until(lambda: caplog.text.count("ble_radio_unusable") >= 2)
    await gateway.stop()


def device(number: int, kind: str = "cgm", at: str = address(7), **more: object) -> dict[str, object]:
    return {"device_id": number, "kind": kind, "key_hex": "07" * 16, "address": at, **more}


@pytest.mark.parametrize(
    ("radio", "devices", "sentence"),
    [
        ("in-process", [device(7)], "names no radio"),
        ("virtual", [device(7, at="C0:11")], "no Bluetooth address"),
        ("virtual", [device(7, "mr_scanner")], "speaks no Bluetooth"),
        ("virtual", [device(7), device(8)], "one Bluetooth address"),
        ("virtual", [device(7, passkey=1 << 20)], "six digits"),
    ],
)
def test_a_wrong_line_of_configuration_says_how_to_mend_it(tmp_path: Path, radio, devices, sentence):
    queue = DiskQueue(tmp_path / "queue.sqlite3", [7, 8, 9])
    try:
        with pytest.raises(ConfigRefused, match=sentence):
            tune_in(load(config_file(tmp_path, radio, devices=devices)), Script(), queue, lambda: NOON)
    finally:
        queue.close()
