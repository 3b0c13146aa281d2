"""Continuous Glucose Monitoring Service 1.0.2 (0x181F): measurements, feature, status, session times.

A measurement says minutes since the session began, so the sensor's time is the session start plus its offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from devices.bluetooth.codec.e2e import CRC_BYTES, with_crc, without_crc
from devices.bluetooth.codec.medical_float import Number
from devices.bluetooth.codec.moments import LocalMoment
from devices.bluetooth.codec.octets import Reader, Writer, check_flags
from devices.bluetooth.errors import CrcWrong, MessageMalformed

_TREND, _QUALITY, _WARNING, _CALIBRATION, _STATUS = 0x01, 0x02, 0x20, 0x40, 0x80
_KNOWN = 0xE3
NO_CRC = 0xFFFF  # stands in the feature of a sensor without E2E-CRC


class Feature(IntFlag):
    """What the sensor can do (the bits that we use)."""

    LOW_BATTERY = 1 << 9
    E2E_CRC = 1 << 12
    TREND = 1 << 15
    QUALITY = 1 << 16


@dataclass(frozen=True, slots=True)
class GlucoseMeasurement:
    """CGM Measurement (0x2AA7).

    mg_dl: glucose. offset_min: minutes since the session began. trend: mg/dL per minute. quality: %.
    status, calibration, warning: octets of the sensor status annunciation.
    """

    mg_dl: Number
    offset_min: int
    status: int | None = None
    calibration: int | None = None
    warning: int | None = None
    trend: Number | None = None
    quality: Number | None = None

    def encode(self, *, crc: bool) -> bytes:
        """Return one record, with its E2E-CRC if the sensor has that feature."""
        writer = Writer()
        flags = 0
        for flag, octet in ((_STATUS, self.status), (_CALIBRATION, self.calibration), (_WARNING, self.warning)):
            if octet is not None:
                flags |= flag
                writer.u8(octet)
        for flag, number in ((_TREND, self.trend), (_QUALITY, self.quality)):
            if number is not None:
                flags |= flag
                writer.sfloat(number)
        tail = writer.done()
        size = 6 + len(tail) + (CRC_BYTES if crc else 0)
        body = Writer().u8(size).u8(flags).sfloat(self.mg_dl).u16(self.offset_min).raw(tail).done()
        return with_crc(body) if crc else body

    @classmethod
    def decode(cls, record: bytes, *, crc: bool) -> GlucoseMeasurement:
        """Read one record. Raises MessageMalformed or CrcWrong."""
        reader = Reader(without_crc(record) if crc else record)
        if reader.u8() != len(record):
            raise MessageMalformed("glucose: the size octet does not match the record")
        flags = check_flags(reader.u8(), _KNOWN, "glucose")
        mg_dl, offset = reader.sfloat(), reader.u16()
        found = cls(
            mg_dl,
            offset,
            reader.u8() if flags & _STATUS else None,
            reader.u8() if flags & _CALIBRATION else None,
            reader.u8() if flags & _WARNING else None,
            reader.sfloat() if flags & _TREND else None,
            reader.sfloat() if flags & _QUALITY else None,
        )
        reader.end()
        return found


def decode_measurements(data: bytes, *, crc: bool) -> list[GlucoseMeasurement]:
    """Read the one or several records of a notification. Raises MessageMalformed or CrcWrong."""
    reader = Reader(data)
    found: list[GlucoseMeasurement] = []
    while not found or not reader.empty:
        size = reader.u8()
        found.append(GlucoseMeasurement.decode(bytes([size]) + reader.take(max(size - 1, 0)), crc=crc))
    return found


@dataclass(frozen=True, slots=True)
class GlucoseFeature:
    """CGM Feature (0x2AA8). sample: fluid and location, 0x59 is interstitial fluid under the skin."""

    features: Feature
    sample: int = 0x59

    @property
    def crc(self) -> bool:
        """Whether every message carries an E2E-CRC."""
        return Feature.E2E_CRC in self.features

    def encode(self) -> bytes:
        """Return the characteristic's value."""
        body = Writer().uint(int(self.features), 3).u8(self.sample).done()
        return with_crc(body) if self.crc else Writer().raw(body).u16(NO_CRC).done()

    @classmethod
    def decode(cls, data: bytes) -> GlucoseFeature:
        """Read the characteristic's value. Raises MessageMalformed or CrcWrong."""
        reader = Reader(data)
        features, sample, crc = Feature(reader.uint(3)), reader.u8(), reader.u16()
        reader.end()
        if Feature.E2E_CRC in features:
            without_crc(data)
        elif crc != NO_CRC:
            raise CrcWrong("a sensor without E2E-CRC says so with 0xFFFF")
        return cls(features, sample)


@dataclass(frozen=True, slots=True)
class GlucoseStatus:
    """CGM Status (0x2AA9). offset_min: minutes since the session began. status: three octets."""

    offset_min: int
    status: int = 0

    @property
    def stopped(self) -> bool:
        """Whether the session ended."""
        return bool(self.status & 1)

    def encode(self, *, crc: bool) -> bytes:
        """Return the characteristic's value."""
        body = Writer().u16(self.offset_min).uint(self.status, 3).done()
        return with_crc(body) if crc else body

    @classmethod
    def decode(cls, data: bytes, *, crc: bool) -> GlucoseStatus:
        """Read the characteristic's value. Raises MessageMalformed or CrcWrong."""
        reader = Reader(without_crc(data) if crc else data)
        found = cls(reader.u16(), reader.uint(3))
        reader.end()
        return found


def encode_session_start(start: LocalMoment, *, crc: bool) -> bytes:
    """Return CGM Session Start Time (0x2AAA)."""
    body = start.put(Writer()).done()
    return with_crc(body) if crc else body


def decode_session_start(data: bytes, *, crc: bool) -> LocalMoment:
    """Read CGM Session Start Time. Raises MessageMalformed, CrcWrong or ValueImpossible."""
    reader = Reader(without_crc(data) if crc else data)
    start = LocalMoment.read(reader)
    reader.end()
    return start


def encode_session_run(hours: int, *, crc: bool) -> bytes:
    """Return CGM Session Run Time (0x2AAB)."""
    body = Writer().u16(hours).done()
    return with_crc(body) if crc else body


def decode_session_run(data: bytes, *, crc: bool) -> int:
    """Return for how many hours a session may run. Raises MessageMalformed or CrcWrong."""
    reader = Reader(without_crc(data) if crc else data)
    hours = reader.u16()
    reader.end()
    return hours
