"""What a broken or hostile peripheral says is a named event, and costs nobody else anything."""

from __future__ import annotations

import pytest
from bumble.core import AdvertisingData

from devices.bluetooth.codec.cgm import GlucoseMeasurement
from devices.bluetooth.codec.heart_rate import HeartRateMeasurement
from devices.bluetooth.codec.medical_float import Special
from devices.bluetooth.peripheral.device import EmulatedPeripheral
from devices.bluetooth.peripheral.glucose import GlucoseSensor
from devices.bluetooth.uuids import GLUCOSE, HEART_RATE_MEASUREMENT, uuid
from tests.devices.bluetooth.conftest import NOON, Room, address, until


async def send(device: EmulatedPeripheral, number: int, message: bytes) -> None:
    """Notify something that no codec of ours made."""
    server = device.device.gatt_server
    found = next(one for one in server.attributes if getattr(one, "uuid", None) == uuid(number))
    await server.notify_subscribers(found, message)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", "ble_message_truncated"),
        (bytes([12, 0]), "ble_message_truncated"),
        (bytes([8, 0, 0x65, 0, 1, 0, 0xAA, 0xAA]), "ble_crc_wrong"),
        (GlucoseMeasurement(101.0, 9).encode(crc=False), "ble_crc_wrong"),
        (GlucoseMeasurement(2000.0, 9).encode(crc=True), "ble_value_impossible"),
        (GlucoseMeasurement(101.0, 60_000).encode(crc=True), "ble_value_impossible"),
    ],
)
async def test_a_bad_glucose_message_is_noted_and_the_next_good_one_taken(room: Room, message: bytes, code: str):
    device = await room.add(7, "cgm")
    room.measure(7, "glucose", NOON, 100.0)
    room.start()
    await room.listening()
    await send(device, GLUCOSE, message)
    await until(lambda: room.noted(code))
    if code != "ble_value_impossible":
        room.measure(7, "glucose", NOON + 60.0, 101.0)
        await until(lambda: (NOON + 60.0, 101.0) in room.values("glucose"))
    assert room.central is not None
    assert room.central.health[7].connected


async def test_a_sensor_without_a_value_makes_no_reading(room: Room):
    device = await room.add(7, "cgm")
    room.measure(7, "glucose", NOON, 100.0)
    room.start()
    await room.listening()
    await send(device, GLUCOSE, GlucoseMeasurement(Special.NRES, 1).encode(crc=True))
    room.measure(7, "glucose", NOON + 120.0, 102.0)
    await until(lambda: len(room.values("glucose")) == 2)
    assert room.values("glucose") == [(NOON, 100.0), (NOON + 120.0, 102.0)]


async def test_a_strap_without_skin_contact_and_a_dead_one_make_no_reading(room: Room):
    device = await room.add(9, "vital_signs_monitor")
    room.start()
    await room.listening()
    await send(device, HEART_RATE_MEASUREMENT, HeartRateMeasurement(190, contact=False).encode())
    await send(device, HEART_RATE_MEASUREMENT, HeartRateMeasurement(900).encode())
    await send(device, HEART_RATE_MEASUREMENT, HeartRateMeasurement(70).encode())
    await until(lambda: room.values("heart_rate"))
    assert room.values("heart_rate") == [(room.now, 70.0)]
    assert room.noted("ble_value_impossible") == 1


async def test_a_peripheral_that_floods_is_hung_up_and_others_go_on(room: Room):
    loud = await room.add(7, "vital_signs_monitor")
    await room.add(8, "cgm")
    room.measure(8, "glucose", NOON, 100.0)
    room.start()
    await room.listening(2)
    for _ in range(1600):
        await send(loud, HEART_RATE_MEASUREMENT, b"\x00\x46")
    await until(lambda: room.noted("ble_peripheral_floods"))
    assert room.central is not None
    await until(lambda: not room.central.health[7].connected)
    assert len(room.values("heart_rate")) <= 1500
    room.measure(8, "glucose", NOON + 60.0, 101.0)
    await until(lambda: (NOON + 60.0, 101.0) in room.values("glucose"))


async def test_a_namesake_is_noted_and_never_called(room: Room):
    await room.add(7, "cgm", named="cgm-7")
    twin = room.air.device("twin", "C0:00:00:00:DD:07")
    await twin.power_on()
    data = AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, b"cgm-7")])
    await twin.start_advertising(advertising_data=bytes(data), advertising_interval_min=20.0)
    called: list[object] = []
    twin.on("connection", called.append)
    await room.devices[7].device.stop_advertising()  # ours is silent, so only the other is heard
    room.start()
    await until(lambda: room.noted("ble_peripheral_foreign"))
    assert called == []
    await twin.stop_advertising()
    await twin.power_off()
    room.air.leave(twin)


async def test_another_serial_number_is_another_device(room: Room):
    await room.add(7, "cgm", serial="EMU-8")
    room.measure(7, "glucose", NOON, 100.0)
    room.start()
    await until(lambda: room.noted("ble_peripheral_foreign"))
    assert room.values("glucose") == []


async def test_a_device_of_another_kind_under_the_address_is_foreign(room: Room):
    await room.add(7, "smart_pillbox")
    pillbox = room.wanted.pop()
    monitor = (await room.add(9, "cgm")) and room.wanted.pop()
    room.wanted.append(type(pillbox)(7, monitor.kind, address(7)))
    room.start()
    await until(lambda: room.noted("ble_peripheral_foreign"))


async def test_a_control_point_that_never_answers_ends_the_conversation(room: Room, monkeypatch):
    monkeypatch.setattr("devices.bluetooth.central.talk.ANSWER_WITHIN_S", 0.05)
    device = await room.add(7, "cgm")
    sensor = next(s for s in device._sensors.values() if isinstance(s, GlucoseSensor))
    point = next(one for one in sensor.service.characteristics if one.uuid == uuid(0x2A52))
    point.value = type(point.value)(write=lambda _connection, _value: None)
    room.measure(7, "glucose", NOON, 100.0)
    room.start()
    await until(lambda: room.noted("ble_procedure_failed"))
    assert room.noted("ble_listening") == 0
