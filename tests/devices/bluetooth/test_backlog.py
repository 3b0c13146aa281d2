"""A link that is cut loses nothing and doubles nothing."""

from __future__ import annotations

import asyncio

from devices.emulator.plant import Sample
from devices.kinds.registry import by_key
from tests.devices.bluetooth.conftest import NOON, Room, until


def glucose(minute: int) -> tuple[float, float]:
    return NOON + 60.0 * minute, 100.0 + minute


async def test_glucose_survives_a_cut_link(room: Room):
    await room.add(7, "cgm")
    for minute in range(5):
        room.measure(7, "glucose", *glucose(minute))
    room.now = NOON + 600.0
    room.start()
    await until(lambda: len(room.values("glucose")) == 5)
    await room.listening()
    room.measure(7, "glucose", *glucose(5))
    await until(lambda: len(room.values("glucose")) == 6)
    room.air.cut(room.devices[7].device)
    for minute in range(6, 9):
        room.measure(7, "glucose", *glucose(minute))
    await room.listening(2)
    room.measure(7, "glucose", *glucose(9))
    await until(lambda: len(room.values("glucose")) == 10)
    await asyncio.sleep(0)
    assert room.values("glucose") == [glucose(minute) for minute in range(10)]


async def test_what_was_not_stored_is_read_again_after_a_restart(room: Room):
    await room.add(7, "cgm")
    room.now = NOON + 600.0
    for minute in range(3):
        room.measure(7, "glucose", *glucose(minute))
    room.start()
    await until(lambda: len(room.values("glucose")) == 3)  # stored
    await room.listening()
    room.measure(7, "glucose", *glucose(3))
    await until(lambda: room.inbox.mark(7, f"181f:{int(NOON)}") == 3)  # heard, but not stored
    await room.stop()
    room.measure(7, "glucose", *glucose(4))
    room.start()
    await until(lambda: len(room.values("glucose")) == 5)
    await room.listening()
    assert room.values("glucose") == [glucose(minute) for minute in range(5)]


async def test_a_link_that_dies_within_the_backlog_costs_nothing(room: Room):
    await room.add(8, "smart_pillbox")
    weights = [(NOON + second, 38.0 + second / 64) for second in range(400)]
    for t, value in weights[:350]:
        room.measure(8, "tray_weight", t, value)
    room.now = NOON + 600.0
    room.start()
    for cut in range(1, 4):
        await until(lambda cut=cut: len(room.values("tray_weight")) > cut * 60)
        room.air.cut(room.devices[8].device)
        for t, value in weights[350 + 10 * cut - 10 : 350 + 10 * cut]:
            room.measure(8, "tray_weight", t, value)
    await until(lambda: len(room.values("tray_weight")) >= 380)
    await room.listening()
    for t, value in weights[380:]:
        room.measure(8, "tray_weight", t, value)
    await until(lambda: len(room.values("tray_weight")) >= 400)
    assert room.values("tray_weight") == weights


async def test_a_monitor_keeps_what_has_a_time_and_logs_what_has_none(room: Room):
    await room.add(9, "vital_signs_monitor")
    room.now = NOON + 600.0

    def measure(t: float, beat: float) -> None:
        for key, value in {
            "heart_rate": beat, "spo2": 97.0, "temperature": 36.6, "bp_systolic": 120.0, "bp_diastolic": 80.0,
            "bp_mean": 93.0, "respiration_rate": 14.0,
        }.items():  # fmt: skip
            room.measure(9, key, t, value)

    measure(NOON, 61.0)
    room.start()
    await room.listening()
    measure(NOON + 300.0, 62.0)
    await until(lambda: len(room.values("respiration_rate")) == 2 and len(room.values("bp_mean")) == 2)
    await until(lambda: len(room.values("heart_rate")) == 2)
    room.air.cut(room.devices[9].device)
    await until(lambda: not room.devices[9].device.connections)
    measure(NOON + 301.0, 63.0)
    await until(lambda: len(room.values("heart_rate")) == 3 and len(room.values("temperature")) == 3)
    await room.listening(2)
    room.devices[9].measured(Sample(9, by_key("heart_rate").code, NOON + 302.0, 64.0), live=False)
    await until(lambda: len(room.values("heart_rate")) == 4)
    # Heart rate that nobody heard came back from the log with its time; live it has the gateway's.
    assert room.values("heart_rate") == [(NOON, 61.0), (room.now, 62.0), (NOON + 301.0, 63.0), (NOON + 302.0, 64.0)]
    for key, value in {"temperature": 36.6, "bp_systolic": 120.0, "respiration_rate": 14.0}.items():
        assert room.values(key) == [(NOON, value), (NOON + 300.0, value), (NOON + 301.0, value)], key


async def test_an_insulin_pump_tells_its_events_with_their_times(room: Room):
    await room.add(10, "insulin_pump")
    room.now = NOON + 4000.0
    room.measure(10, "insulin_rate", NOON, 0.8)
    room.measure(10, "insulin_delivered", NOON, 12.4)
    room.measure(10, "insulin_bolus", NOON + 30.0, 4.2)
    room.measure(10, "insulin_reservoir", NOON + 30.0, 171.3)
    room.start()
    await room.listening()
    assert room.values("insulin_bolus") == [(NOON + 30.0, 4.2)]
    room.air.cut(room.devices[10].device)
    room.measure(10, "insulin_bolus", NOON + 2000.0, 1.5)  # behind the next reference time
    room.measure(10, "insulin_delivered", NOON + 2000.0, 13.9)
    room.measure(10, "pump_alarm", NOON + 2100.0, 1.0)
    await room.listening(2)
    room.measure(10, "insulin_rate", NOON + 2200.0, 0.0)
    room.measure(10, "pump_alarm", NOON + 2300.0, 0.0)
    await until(lambda: (NOON + 2300.0, 0.0) in room.values("pump_alarm"))
    assert room.values("insulin_bolus") == [(NOON + 30.0, 4.2), (NOON + 2000.0, 1.5)]
    assert [one for one in room.values("insulin_rate") if one[0] < room.now] == [(NOON, 0.8), (NOON + 2200.0, 0.0)]
    alarms = [one for one in room.values("pump_alarm") if one[0] < room.now]
    assert alarms == [(NOON + 2100.0, 1.0), (NOON + 2300.0, 0.0)]
    assert room.values("insulin_delivered")[-1] == (room.now, 13.9)
    assert (NOON + 30.0, 171.0) in room.values("insulin_reservoir") or (NOON + 30.0, 171.3) in room.values(
        "insulin_reservoir"
    )
