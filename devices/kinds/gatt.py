"""Which Bluetooth service carries which measurement of a kind: part of the kind's own table.

Only numbers and keys stand here; how a service's bytes are read is `devices/bluetooth/`.
"""

from __future__ import annotations

from dataclasses import dataclass

# Assigned numbers of the adopted services.
THERMOMETER, DEVICE_INFORMATION, HEART_RATE, BATTERY_SERVICE = 0x1809, 0x180A, 0x180D, 0x180F
BLOOD_PRESSURE, GLUCOSE_MONITORING, PULSE_OXIMETER, INSULIN_DELIVERY = 0x1810, 0x181F, 0x1822, 0x183A
MEASUREMENT_LOG = 0  # our own service with a 128-bit number, for what no adopted one carries (docs/bluetooth.md)


@dataclass(frozen=True, slots=True)
class GattService:
    """One service of a device.

    number: the 16-bit assigned number, or MEASUREMENT_LOG. carries: keys of the kind's measurements.
    missed: keys that this log keeps only while nobody listens, since their own service can store nothing.
    """

    number: int
    carries: tuple[str, ...]
    missed: tuple[str, ...] = ()


BATTERY_LEVEL = GattService(BATTERY_SERVICE, ("battery",))
