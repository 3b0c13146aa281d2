"""Heart Rate and Pulse Oximeter: they say what is now and store nothing; Battery, which has a state."""

from __future__ import annotations

from bumble.gatt import Service

from devices.bluetooth.codec.device import encode_battery_level
from devices.bluetooth.codec.heart_rate import HeartRateMeasurement
from devices.bluetooth.codec.medical_float import Special
from devices.bluetooth.codec.pulse_oximeter import ContinuousMeasurement, Oxygenation
from devices.bluetooth.peripheral.base import NOTIFY, READ, Port, characteristic
from devices.bluetooth.uuids import (
    BATTERY_LEVEL,
    BODY_LOCATION,
    HEART_RATE_MEASUREMENT,
    OXIMETER_CONTINUOUS,
    OXIMETER_FEATURES,
    uuid,
)
from devices.emulator.plant import Block, Sample
from devices.kinds.gatt import BATTERY_SERVICE, HEART_RATE, PULSE_OXIMETER

CHEST, NO_FEATURES = b"\x01", b"\x00\x00"


class HeartRateSensor:
    """Beats per minute."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._measurement = characteristic(HEART_RATE_MEASUREMENT, NOTIFY)
        location = characteristic(BODY_LOCATION, READ, read=CHEST)
        self.service = Service(uuid(HEART_RATE), [self._measurement, location])

    def measured(self, one: Sample | Block) -> bool:
        """Notify one reading."""
        if isinstance(one, Block) or not self._port.listens(self._measurement):
            return False
        beat = HeartRateMeasurement(round(one.value), contact=True)
        self._port.spawn(self._port.notify(self._measurement, beat.encode()))
        return True

    def listened(self) -> None:
        """Nothing waits here."""


class OximeterSensor:
    """Saturation; the pulse rate is left to the heart rate service."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._measurement = characteristic(OXIMETER_CONTINUOUS, NOTIFY)
        features = characteristic(OXIMETER_FEATURES, READ, read=NO_FEATURES)
        self.service = Service(uuid(PULSE_OXIMETER), [self._measurement, features])

    def measured(self, one: Sample | Block) -> bool:
        """Notify one reading."""
        if isinstance(one, Block) or not self._port.listens(self._measurement):
            return False
        shown = ContinuousMeasurement(Oxygenation(one.value, Special.NAN))
        self._port.spawn(self._port.notify(self._measurement, shown.encode()))
        return True

    def listened(self) -> None:
        """Nothing waits here."""


class BatterySensor:
    """The charge: read on connecting, notified when it changes. Only the newest counts."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._percent = 100
        self._level = characteristic(BATTERY_LEVEL, READ | NOTIFY, read=lambda: encode_battery_level(self._percent))
        self.service = Service(uuid(BATTERY_SERVICE), [self._level])

    def measured(self, one: Sample | Block) -> bool:
        """Keep the charge, and notify it."""
        if isinstance(one, Sample):
            self._percent = round(one.value)
            self._port.spawn(self._port.notify(self._level, encode_battery_level(self._percent)))
        return True

    def listened(self) -> None:
        """Nothing waits here."""
