"""What a device kind is: a name and a table of frozen descriptions of what it measures: codes, units, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from devices.energy.battery import Battery
from devices.kinds.gatt import GattService

STALE_PERIODS = 5  # a radio loses a packet now and then; five in a row it does not
STALE_FLOOR_S = 30.0

# UCUM is for machines; people read these.
_READABLE_UNITS = {"[iU]": "U", "[iU]/h": "U/h", "mm[Hg]": "mmHg", "Cel": "°C", "1": ""}


class Partition(IntEnum):
    """Code blocks of ISO/IEEE 11073-10101; a 32-bit code is partition << 16 | term."""

    OBJECT = 1
    SCADA = 2
    PHD_DISEASE_MANAGEMENT = 128
    PRIVATE = 1024  # set aside by the standard for terms of one's own


def mdc(partition: Partition, term: int) -> int:
    """Return the context-free 32-bit code of a term."""
    return partition << 16 | term


def stale_after_s(period_s: float) -> float:
    """Return the age at which the newest value of a metric with that typical period is no longer to be believed, s."""
    return max(STALE_PERIODS * period_s, STALE_FLOOR_S)


class Form(StrEnum):
    """How the numbers of a measurement behave."""

    SCALAR = "scalar"
    COUNTER = "counter"  # only ever rises, except for a reset to zero
    ENUMERATION = "enumeration"
    WAVEFORM = "waveform"


class Urgency(IntEnum):
    """What goes first when the uplink is narrow, and what goes last when a gateway's disk is full; 1 is most urgent."""

    DOSE = 1  # what a person was given or took: never dropped
    ALARM = 2  # a device's own alarm, and what a gateway did on its own
    URGENT = 3  # an image that somebody waits for
    TELEMETRY = 4
    BULK = 5  # waveforms, images that can wait


@dataclass(frozen=True, slots=True)
class Measurement:
    """One quantity that a device reports.

    code: ISO/IEEE 11073-10101, 32 bit. loinc: empty where LOINC has no matching term. unit: UCUM.
    low, high: the physical range in that unit; a value outside cannot be true and is refused.
    period_s: typical time between two readings (of one sample for a waveform); 0 when it comes with an event.
    values: the names of an enumeration's numbers.
    urgency: how it travels; unless told, waveforms are bulk and everything else is telemetry. runs_out: it is a level
    that falls to zero with use and is filled up again, so that its end can be foretold.
    """

    key: str
    label: str
    code: int
    unit: str
    low: float
    high: float
    period_s: float
    decimals: int = 0
    kind: Form = Form.SCALAR
    loinc: str = ""
    values: Mapping[int, str] = field(default_factory=dict, hash=False)
    urgency: Urgency | None = None
    runs_out: bool = False

    @property
    def travels_as(self) -> Urgency:
        """How urgent its readings are."""
        if self.urgency is not None:
            return self.urgency
        return Urgency.BULK if self.kind is Form.WAVEFORM else Urgency.TELEMETRY

    @property
    def unit_label(self) -> str:
        """The unit as people write it."""
        return _READABLE_UNITS.get(self.unit, self.unit)

    def permits(self, value: float) -> bool:
        """Tell whether the value can be true. NaN and infinities cannot; an enumeration takes named numbers only."""
        if self.kind is Form.ENUMERATION:
            return value in self.values
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """A kind of device; `name` is its folder's name and the value of `Device.kind`.

    icon: a name in the icon set. services: how it speaks over Bluetooth, empty when it does not. power: what it lives
    on, None for what hangs on the mains. made_for_s: how long one is used by design, None where nothing says so.
    """

    name: str
    label: str
    measurements: tuple[Measurement, ...]
    icon: str
    services: tuple[GattService, ...] = ()
    power: Battery | None = None
    made_for_s: float | None = None

    def measures(self, code: int) -> bool:
        """Tell whether a device of this kind reports that metric."""
        return any(measurement.code == code for measurement in self.measurements)

    def __getitem__(self, key: str) -> Measurement:
        for measurement in self.measurements:
            if measurement.key == key:
                return measurement
        raise KeyError(key)
