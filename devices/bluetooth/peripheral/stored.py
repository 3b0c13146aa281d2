"""Health Thermometer and Blood Pressure: what was measured is indicated, and forgotten only when it was confirmed."""

from __future__ import annotations

from collections import deque

from bumble.gatt import Service

from devices.bluetooth.codec.blood_pressure import BloodPressureMeasurement
from devices.bluetooth.codec.thermometer import TemperatureMeasurement
from devices.bluetooth.peripheral.base import INDICATE, READ, Port, characteristic
from devices.bluetooth.uuids import (
    BLOOD_PRESSURE,
    BLOOD_PRESSURE_FEATURE,
    TEMPERATURE,
    TEMPERATURE_SITE,
    uuid,
)
from devices.emulator.plant import Block, Sample
from devices.kinds import gatt
from devices.kinds.registry import by_key

CAPACITY = 2000
EAR = 3


class _Store:
    """Messages that leave one after the other, oldest first."""

    def __init__(self, port: Port, number: int) -> None:
        self._port = port
        self.measurement = characteristic(number, INDICATE)
        self._waiting: deque[bytes] = deque(maxlen=CAPACITY)
        self._busy = False

    def add(self, message: bytes) -> None:
        self._waiting.append(message)
        self.listened()

    def listened(self) -> None:
        """Begin to send what waits, unless that is going on."""
        if not self._busy and self._waiting and self._port.listens(self.measurement):
            self._busy = True
            self._port.spawn(self._send())

    async def _send(self) -> None:
        try:
            while self._waiting:
                message = self._waiting[0]
                if not await self._port.indicate(self.measurement, message):
                    return
                if self._waiting and self._waiting[0] is message:
                    self._waiting.popleft()
        finally:
            self._busy = False


class ThermometerSensor:
    """Body temperature with its time."""

    def __init__(self, port: Port) -> None:
        self._store = _Store(port, TEMPERATURE)
        site = characteristic(TEMPERATURE_SITE, READ, read=bytes([EAR]))
        self.service = Service(uuid(gatt.THERMOMETER), [self._store.measurement, site])
        self.listened = self._store.listened

    def measured(self, one: Sample | Block) -> bool:
        """Store one reading until it is confirmed."""
        if isinstance(one, Block):
            return False
        self._store.add(TemperatureMeasurement(one.value, one.t).encode())
        return True


class CuffSensor:
    """Three pressures that belong together: sent when the third of the same moment is there."""

    def __init__(self, port: Port) -> None:
        self._store = _Store(port, BLOOD_PRESSURE)
        feature = characteristic(BLOOD_PRESSURE_FEATURE, READ, read=bytes(2))
        self.service = Service(uuid(gatt.BLOOD_PRESSURE), [self._store.measurement, feature])
        self.listened = self._store.listened
        self._codes = [by_key(key).code for key in ("bp_systolic", "bp_diastolic", "bp_mean")]
        self._parts: dict[int, float] = {}
        self._t = 0.0

    def measured(self, one: Sample | Block) -> bool:
        """Gather one pressure."""
        if isinstance(one, Block):
            return False
        if one.t != self._t:
            self._parts, self._t = {}, one.t
        self._parts[one.metric_code] = one.value
        if all(code in self._parts for code in self._codes):
            systolic, diastolic, mean = (self._parts[code] for code in self._codes)
            self._store.add(BloodPressureMeasurement(systolic, diastolic, mean, one.t).encode())
            self._parts = {}
        return True
