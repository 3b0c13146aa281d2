"""How well a device is heard and what it says of itself: read over the air, and never more than what was measured."""

from __future__ import annotations

import pytest

from devices.bluetooth import air
from devices.bluetooth.central.talk import Health
from devices.bluetooth.peripheral import device as peripheral
from devices.bluetooth.uuids import GLUCOSE
from tests.devices.bluetooth.conftest import NOON, Room, until
from tests.devices.bluetooth.test_hostile import send

WRONG_CRC = bytes([8, 0, 0x65, 0, 1, 0, 0xAA, 0xAA])


async def heard(room: Room, device_id: int = 7) -> Health:
    """Switch a room with one glucose sensor on; return how it is heard once it said what it is."""
    await room.add(device_id, "cgm")
    room.measure(device_id, "glucose", NOON, 100.0)
    room.start()
    await room.listening()
    assert room.central is not None
    health = room.central.health[device_id]
    await until(lambda: health.about)
    return health


async def test_a_device_says_its_firmware_model_maker_and_serial_number(room: Room):
    health = await heard(room)
    assert health.about == {"firmware": "1.0", "serial": "EMU-7", "model": "cgm", "maker": "Medtwin emulation"}


async def test_a_text_that_is_none_is_passed_over_and_the_device_is_heard_all_the_same(room: Room, monkeypatch):
    monkeypatch.setattr(peripheral, "FIRMWARE_TEXT", b"\xff\xfe")
    monkeypatch.setattr(peripheral, "MAKER", b"")
    health = await heard(room)
    assert health.about == {"serial": "EMU-7", "model": "cgm"}
    assert room.noted("ble_message_malformed") == 1
    room.measure(7, "glucose", NOON + 60.0, 101.0)
    await until(lambda: (NOON + 60.0, 101.0) in room.values("glucose"))
    assert health.connected


async def test_the_controller_says_how_strongly_a_connected_device_is_heard(room: Room, monkeypatch):
    monkeypatch.setattr(air.RoomController, "rssi", -83)
    health = await heard(room)
    await until(lambda: health.rssi == -83)
    assert health.take_signals()[-1] == -83
    assert health.take_signals() == []


async def test_connections_that_came_again_and_messages_that_were_not_believed_are_counted(room: Room):
    health = await heard(room)
    assert (health.connections, health.refused, health.wrong_crc) == (1, 0, 0)
    await send(room.devices[7], GLUCOSE, WRONG_CRC)
    await send(room.devices[7], GLUCOSE, b"")
    await until(lambda: health.refused == 2)
    assert health.wrong_crc == 1
    room.air.cut(room.devices[7].device)
    await room.listening(2)
    assert health.connections == 2


@pytest.mark.parametrize(("said", "kept"), [(-127, -127), (20, 20), (127, None), (-128, None), (21, None)])
def test_a_strength_that_the_controller_does_not_know_is_none(said: int, kept: int | None):
    health = Health(7)
    health.heard(said)
    assert (health.rssi, health.take_signals()) == (kept, [] if kept is None else [kept])
