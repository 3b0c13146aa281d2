"""Listening to services that say what is now, or that hand over what they stored with its time."""

from __future__ import annotations

from devices.bluetooth.central.talk import Talk
from devices.bluetooth.codec.blood_pressure import BloodPressureMeasurement
from devices.bluetooth.codec.device import decode_battery_level
from devices.bluetooth.codec.heart_rate import HeartRateMeasurement
from devices.bluetooth.codec.medical_float import as_value
from devices.bluetooth.codec.pulse_oximeter import ContinuousMeasurement, SpotCheckMeasurement
from devices.bluetooth.codec.thermometer import TemperatureMeasurement
from devices.bluetooth.errors import ProcedureFailed
from devices.bluetooth.uuids import (
    BATTERY_LEVEL,
    BLOOD_PRESSURE,
    HEART_RATE_MEASUREMENT,
    OXIMETER_CONTINUOUS,
    OXIMETER_SPOT,
    TEMPERATURE,
)
from devices.emulator.plant import Sample
from devices.kinds import gatt


class Listener:
    """What reads one service."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    async def begin(self) -> None:
        """Subscribe, and read what was missed. Raises OverAirRefused."""

    async def attend(self) -> None:
        """Do what has to be done from time to time, until the connection ends."""


class HeartRateListener(Listener):
    """Heart rate by the gateway's clock."""

    async def begin(self) -> None:
        """Subscribe."""
        await self.talk.subscribe(self.talk.need(gatt.HEART_RATE, HEART_RATE_MEASUREMENT), self._received)

    def _received(self, value: bytes) -> None:
        beat = HeartRateMeasurement.decode(value)
        # Without skin contact a sensor goes on counting something.
        self.talk.put(self.talk.sample("heart_rate", None if beat.contact is False else float(beat.bpm)))


class OximeterListener(Listener):
    """Saturation: continuous by the gateway's clock, spot checks by the oximeter's."""

    async def begin(self) -> None:
        """Subscribe to what there is. Raises ProcedureFailed when there is nothing."""
        continuous = self.talk.find(gatt.PULSE_OXIMETER, OXIMETER_CONTINUOUS)
        spot = self.talk.find(gatt.PULSE_OXIMETER, OXIMETER_SPOT)
        if continuous is not None:
            await self.talk.subscribe(continuous, self._continuous)
        elif spot is not None:
            await self.talk.subscribe(spot, self._spot)
        else:
            raise ProcedureFailed("an oximeter without a measurement")

    def _continuous(self, value: bytes) -> None:
        shown = ContinuousMeasurement.decode(value)
        self.talk.put(self.talk.sample("spo2", as_value(shown.normal.spo2)))

    def _spot(self, value: bytes) -> None:
        check = SpotCheckMeasurement.decode(value)
        t = check.t if check.clock_set else None
        _put_once(self.talk, "1822", t, self.talk.sample("spo2", as_value(check.value.spo2), t))


class ThermometerListener(Listener):
    """Temperature; the thermometer forgets a reading only when we confirmed it."""

    async def begin(self) -> None:
        """Subscribe; what was stored follows by itself."""
        await self.talk.subscribe(self.talk.need(gatt.THERMOMETER, TEMPERATURE), self._received)

    def _received(self, value: bytes) -> None:
        reading = TemperatureMeasurement.decode(value)
        _put_once(self.talk, "1809", reading.t, self.talk.sample("temperature", reading.celsius, reading.t))


class CuffListener(Listener):
    """Blood pressure; the cuff forgets a reading only when we confirmed it."""

    async def begin(self) -> None:
        """Subscribe; what was stored follows by itself."""
        await self.talk.subscribe(self.talk.need(gatt.BLOOD_PRESSURE, BLOOD_PRESSURE), self._received)

    def _received(self, value: bytes) -> None:
        reading = BloodPressureMeasurement.decode(value)
        parts = {"bp_systolic": reading.systolic, "bp_diastolic": reading.diastolic, "bp_mean": reading.mean}
        found: list[Sample] = []
        for key, pressure in parts.items():
            found += self.talk.sample(key, reading.mmhg(pressure), reading.t)
        _put_once(self.talk, "1810", reading.t, found)


class BatteryListener(Listener):
    """The charge, now and when it changes."""

    async def begin(self) -> None:
        """Read, and subscribe where the device can notify."""
        self._received(await self.talk.read(gatt.BATTERY_SERVICE, BATTERY_LEVEL))
        level = self.talk.need(gatt.BATTERY_SERVICE, BATTERY_LEVEL)
        if level.properties & level.properties.NOTIFY:
            await self.talk.subscribe(level, self._received)

    def _received(self, value: bytes) -> None:
        percent = decode_battery_level(value)
        self.talk.health.battery = percent
        self.talk.put(self.talk.sample("battery", float(percent)))


def _put_once(talk: Talk, stream: str, t: float | None, found: list[Sample]) -> None:
    """Hand on a reading unless it was taken before: its confirmation may have been lost with the link."""
    if t is None:
        talk.put(found)
    elif (mark := talk.inbox.mark(talk.device_id, stream)) is None or int(t) > mark:
        talk.put(found, {stream: int(t)})
