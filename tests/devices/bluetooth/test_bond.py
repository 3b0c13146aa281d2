"""Bonds: LE Secure Connections, kept on disk for the owner alone, never made anew behind anybody's back."""

from __future__ import annotations

import stat

import pytest
from bumble.att import ATT_Error
from bumble.hci import Address

from devices.bluetooth.uuids import SERIAL, uuid
from tests.devices.bluetooth.conftest import NOON, Room, address, until


async def test_bonds_survive_a_restart_and_are_private(room: Room):
    await room.add(7, "cgm")
    room.measure(7, "glucose", NOON, 101.0)
    room.start()
    await room.listening()
    assert room.noted("ble_bonded") == 1
    for name in ("bonds.json", "devices.json"):
        assert stat.S_IMODE((room.folder / name).stat().st_mode) == 0o600
    await room.stop()
    room.start()
    await room.listening()
    assert room.noted("ble_bonded") == 0
    assert room.central is not None
    assert room.central.health[7].rssi == -50
    assert room.central.health[7].battery == 100


async def test_a_device_that_lost_its_key_is_not_bonded_again_by_itself(room: Room):
    device = await room.add(7, "cgm")
    room.start()
    await room.listening()
    (room.folder / "devices.json").write_text("{}")  # another device under the same address would be like that
    room.air.cut(device.device)
    await until(lambda: room.noted("ble_bond_refused"))
    room.measure(7, "glucose", NOON, 101.0)
    assert room.noted("ble_bonded") == 1
    assert room.values("glucose") == []


async def test_the_passkey_of_the_configuration_opens_the_device(room: Room):
    await room.add(7, "cgm", passkey=204_813)
    room.measure(7, "glucose", NOON, 101.0)
    room.start()
    await until(lambda: room.values("glucose") == [(NOON, 101.0)])


async def test_a_wrong_passkey_opens_nothing(room: Room):
    await room.add(7, "cgm", passkey=204_813, entered=204_814)
    room.measure(7, "glucose", NOON, 101.0)
    room.start()
    await until(lambda: room.noted("ble_bond_refused"))
    assert room.values("glucose") == []


async def test_nothing_is_said_to_one_who_did_not_bond(room: Room):
    device = await room.add(7, "cgm")
    room.measure(7, "glucose", NOON, 101.0)
    stranger = room.air.device("stranger", "C0:00:00:00:EE:EE")
    await stranger.power_on()
    connection = await stranger.connect_le(Address(address(7)))
    heard: list[bytes] = []
    refused = 0
    client = connection.gatt_client
    for service in await client.discover_services():
        for one in await service.discover_characteristics():
            if one.properties & (one.properties.NOTIFY | one.properties.INDICATE):
                await client.subscribe(one, heard.append)
            if one.properties & one.properties.READ and service.uuid not in (uuid(0x1800), uuid(0x1801), uuid(0x180A)):
                with pytest.raises(ATT_Error, match="ENCRYPTION"):
                    await one.read_value()
                refused += 1
    room.measure(7, "glucose", NOON + 60.0, 102.0)
    room.measure(7, "battery", NOON + 60.0, 50.0)
    serial = client.get_characteristics_by_uuid(uuid(SERIAL))[0]
    assert await serial.read_value() == b"EMU-7"  # who it is may be asked, and this answer comes after the others
    assert refused >= 5
    assert heard == []
    assert device.device.connections
    await connection.disconnect()
    await stranger.power_off()
    room.air.leave(stranger)
