"""Two gateways, as the processes that they are, hear one device over the air: the server has each reading once."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from bumble.transport.tcp_server import open_tcp_server_transport_with_socket
from channels.db import database_sync_to_async

from devices.gateway.queue_file import read_depth
from devices.kinds.registry import by_key
from devices.telemetry import Reading
from devices.telemetry.lanes import lane_of
from tests.devices.bluetooth.conftest import Room, address
from tests.devices.transport.conformance.carriers import WebSocketCarrier
from tests.devices.transport.conformance.network import StreamNetwork
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[3]
GLUCOSE, ON_AIR = by_key("glucose").code, 7
LOW = 12  # the minute at which glucose is low, while the first gateway is cut off


class Scene(NamedTuple):
    """A patient's sensor, and the folders of two gateways that were paired and know it by a number each."""

    sensor: int
    near: Path
    far: Path


@pytest.fixture
def scene(transactional_db, ward, patient, tmp_path):
    from devices.models import Gateway
    from devices.services.gateway_files import add_path_to_config, add_to_config, pair_folder
    from devices.services.paths import add_path
    from devices.services.registry import register_device, register_gateway

    near, far = (register_gateway(name=name, ward=ward) for name in ("Near", "Far"))
    sensor, key = register_device(serial="EMU-7", kind="cgm", label="Sensor", gateway=near, patient=patient)
    folders = [pair_folder(tmp_path / one.name, one, server="ws://127.0.0.1:9/ws/gateway/") for one in (near, far)]
    add_to_config(folders[0], sensor, key)
    path, key = add_path(device=sensor, gateway=Gateway.objects.get(pk=far.pk))
    add_path_to_config(folders[1], path, key)
    return Scene(sensor.pk, *(file.parent for file in folders))


@asynccontextmanager
async def at_work(folder: Path, room: Room, line: str) -> AsyncIterator[None]:
    """Run a gateway with a radio of its own in the room, and with that line to the server."""
    listener = socket.create_server(("127.0.0.1", 0))
    transport = await open_tcp_server_transport_with_socket(listener)
    radio = room.air.controller(folder.name, transport.source, transport.sink)
    set_up(folder / "config.json", f"tcp-client:127.0.0.1:{listener.getsockname()[1]}", line)
    with (folder / "gateway.log").open("ab") as log:
        command = [sys.executable, "-m", "devices.gateway", "--config", str(folder / "config.json")]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
        await until(lambda: not room.devices[ON_AIR].device.connections, 3 * PATIENCE_S)
        room.air.switch_off(radio)
        await transport.close()
        transport.server.close()  # closes the listener as well, and takes it from the loop


def set_up(file: Path, radio: str, line: str) -> None:
    config = json.loads(file.read_text())
    config["devices"][0]["address"] = address(ON_AIR)
    config |= {"radio": radio, "interval_s": 0.05, "server": line, "plant": {"entry": "", "options": {}}}
    file.write_text(json.dumps(config))


async def test_each_reading_is_kept_once_when_one_of_two_gateways_is_cut_off(room: Room, scene: Scene, tmp_path):
    from compliance.models import Event
    from devices.services.telemetry import store
    from twin.models import Alert

    begin = time.time() // 60 * 60 - 15 * 60

    def measure(minutes: range) -> None:
        for minute in minutes:
            room.measure(ON_AIR, "glucose", begin + 60.0 * minute, 50.0 if minute == LOW else 100.0 + minute)

    def stored() -> list[tuple[int, int]]:
        """Return the minute and the lane of every reading."""
        rows = store().history([scene.sensor], [GLUCOSE], begin - 60, begin + 3600)
        return [(round((row.t - begin) / 60), lane_of(row.seq)) for row in rows]

    def newest() -> list[Reading]:
        """Return the newest glucose; the battery is read anew at each connection."""
        return [row for row in store().latest([scene.sensor]) if row.metric == GLUCOSE]

    def told_twice() -> int:
        rows = store().history([scene.sensor], [GLUCOSE], begin - 60, begin + 3600)
        return len(store().copies(scene.sensor, [row.seq for row in rows]))

    def waiting() -> int:
        return read_depth(scene.near / "queue.sqlite3", time.time(), 1 << 28).waiting

    @database_sync_to_async
    def alarms() -> tuple[int, int, int]:
        raised = Alert.objects.filter(device_id=scene.sensor, metric="glucose")
        past = Event.objects.filter(code="would_have_alarmed", device_id=scene.sensor)
        return raised.count(), past.count(), Event.objects.filter(code="alert_raised").count()

    await room.add(ON_AIR, "cgm")
    async with AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(WebSocketCarrier(tmp_path).open())
        cable = StreamNetwork(carrier.network.port)
        nearby = f"ws://127.0.0.1:{{}}/{carrier.url.split('/', 3)[3]}"
        async with cable:
            async with at_work(scene.near, room, nearby.format(cable.port)):
                measure(range(10))
                await until(lambda: len(stored()) == 10, 3 * PATIENCE_S)
                await cable.__aexit__()  # its cable is pulled; it goes on listening
                cable.port = 0  # its port may be somebody else's by the time the cable is back
                measure(range(10, 15))
                await until(lambda: waiting() > 0, 3 * PATIENCE_S)
            await until(lambda: waiting() > 0, 3 * PATIENCE_S)
            async with at_work(scene.far, room, carrier.url):
                await until(lambda: len(stored()) == 15 and told_twice() == 10, 3 * PATIENCE_S)
            assert stored() == [(minute, 0 if minute < 10 else 1) for minute in range(15)]
            shown, before = newest(), await alarms()
            assert sum(before[:2]) == 1, "the low value alarmed, or would have"
            await cable.__aenter__()
            async with at_work(scene.near, room, nearby.format(cable.port)):
                await until(lambda: told_twice() == 15, 3 * PATIENCE_S)
                await until(lambda: waiting() == 0, 3 * PATIENCE_S)
    assert [minute for minute, _ in stored()] == list(range(15))
    assert newest() == shown, "a backlog does not become the newest value"
    assert await alarms() == before


@pytest.fixture
def alone(transactional_db, ward, patient, tmp_path):
    """A sensor on the first of two paired gateways; the second knows nothing of it."""
    from devices.services.gateway_files import add_to_config, pair_folder
    from devices.services.registry import register_device, register_gateway

    near, far = (register_gateway(name=name, ward=ward) for name in ("Near", "Far"))
    sensor, key = register_device(serial="EMU-7", kind="cgm", label="Sensor", gateway=near, patient=patient)
    folders = [pair_folder(tmp_path / one.name, one, server="ws://127.0.0.1:9/ws/gateway/") for one in (near, far)]
    add_to_config(folders[0], sensor, key)
    return Scene(sensor.pk, *(file.parent for file in folders))


async def test_a_device_goes_to_another_gateway_and_back_and_nothing_acknowledged_is_lost(
    room: Room, alone: Scene, tmp_path
):
    from compliance.models import Event
    from devices.models import Device, Gateway
    from devices.services import ingest
    from devices.services.gateway_files import add_to_config
    from devices.services.moving import move_device
    from devices.services.telemetry import store

    begin = time.time() // 60 * 60 - 20 * 60

    def measure(minutes: range) -> None:
        for minute in minutes:
            room.measure(ON_AIR, "glucose", begin + 60.0 * minute, 100.0 + minute)

    def stored() -> list[tuple[int, int]]:
        rows = store().history([alone.sensor], [GLUCOSE], begin - 60, begin + 3600)
        return [(round((row.t - begin) / 60), lane_of(row.seq)) for row in rows]

    def lanes(*lane_of_span: tuple[range, int]) -> list[tuple[int, int]]:
        return [(minute, lane) for minutes, lane in lane_of_span for minute in minutes]

    def dead() -> int:
        return read_depth(alone.near / "queue.sqlite3", time.time(), 1 << 28).dead

    @database_sync_to_async
    def registered(to: str) -> int:
        gateway = Gateway.objects.get(name=to)
        move_device(device=Device.objects.get(pk=alone.sensor), to=gateway)
        if to == "Far":
            add_to_config(alone.far / "config.json", Device.objects.get(pk=alone.sensor), b"")
        return gateway.pk

    async def move(to: str) -> None:
        """Move the sensor, and wait until the writer knows."""
        gateway, writer = await registered(to), ingest._running
        assert writer is not None
        await until(lambda: writer.directory.devices[alone.sensor].gateway_id == gateway)

    @database_sync_to_async
    def refused() -> list[str]:
        told = Event.objects.filter(code="frame_wrong_device", device_id=alone.sensor)
        return list(Gateway.objects.filter(pk__in=told.values("gateway_id")).values_list("name", flat=True))

    await room.add(ON_AIR, "cgm")
    async with AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(WebSocketCarrier(tmp_path).open())
        async with at_work(alone.near, room, carrier.url):
            measure(range(10))
            await until(lambda: len(stored()) == 10, 3 * PATIENCE_S)
            await move("Far")
            measure(range(10, 13))
            await until(lambda: dead() > 0, 3 * PATIENCE_S)
            async with asyncio.timeout(3 * PATIENCE_S):  # events are written once a second
                while await refused() != ["Near"]:
                    await asyncio.sleep(0.05)
        before = lanes((range(10), 0))
        assert stored() == before
        async with at_work(alone.far, room, carrier.url):
            await until(lambda: len(stored()) == 13, 3 * PATIENCE_S)
            measure(range(13, 15))
            await until(lambda: len(stored()) == 15, 3 * PATIENCE_S)
        assert stored() == before + lanes((range(10, 15), 1)), "each once, though the sensor told ten of them twice"
        await move("Near")
        async with at_work(alone.near, room, carrier.url):
            measure(range(15, 18))
            await until(lambda: len(stored()) == 18, 3 * PATIENCE_S)
        assert stored() == before + lanes((range(10, 15), 1), (range(15, 18), 0))
