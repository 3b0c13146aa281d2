"""Assigned numbers of characteristics, and the 128-bit ones of our own service (docs/bluetooth.md)."""

from __future__ import annotations

from bumble.core import UUID

from devices.kinds.gatt import MEASUREMENT_LOG

SYSTEM_ID, MODEL, SERIAL, FIRMWARE, MANUFACTURER = 0x2A23, 0x2A24, 0x2A25, 0x2A26, 0x2A29
BATTERY_LEVEL = 0x2A19
HEART_RATE_MEASUREMENT, BODY_LOCATION = 0x2A37, 0x2A38
TEMPERATURE, TEMPERATURE_SITE = 0x2A1C, 0x2A1D
BLOOD_PRESSURE, BLOOD_PRESSURE_FEATURE = 0x2A35, 0x2A49
OXIMETER_SPOT, OXIMETER_CONTINUOUS, OXIMETER_FEATURES = 0x2A5E, 0x2A5F, 0x2A60
RECORD_ACCESS = 0x2A52
GLUCOSE, GLUCOSE_FEATURE, GLUCOSE_STATUS, GLUCOSE_START, GLUCOSE_RUN, GLUCOSE_CONTROL = range(0x2AA7, 0x2AAD)
INSULIN_CHANGED, INSULIN_STATUS, INSULIN_ANNUNCIATION, INSULIN_FEATURES, INSULIN_READER = range(0x2B20, 0x2B25)
INSULIN_RECORDS, INSULIN_HISTORY = 0x2B27, 0x2B28

# Our own 128-bit numbers differ in the first 32 bits: 6d7477 and one byte.
LOG_SERVICE, LOG_FEATURE, LOG_RECORD, LOG_WAVE = range(0x6D747700, 0x6D747704)
_OWN = "{:08x}-0b5e-4c1f-9d0a-51a7e35c0de1"


def uuid(number: int) -> UUID:
    """Return the UUID of an assigned number, of one of ours, or of our service when it is MEASUREMENT_LOG."""
    if number == MEASUREMENT_LOG:
        number = LOG_SERVICE
    return UUID.from_16_bits(number) if number <= 0xFFFF else UUID(_OWN.format(number))
