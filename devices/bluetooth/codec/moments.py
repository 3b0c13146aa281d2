"""Times as health services carry them: the 7-byte Date Time, and the CGM session start with zone and summer time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from devices.bluetooth.codec.octets import Reader, Writer
from devices.bluetooth.errors import MessageMalformed, ValueImpossible

YEARS = range(1582, 10_000)  # what a Date Time may say, beside 0 for "unknown"
ZONE_UNKNOWN = -128
ZONES = range(-48, 57)  # quarter hours from UTC
SUMMER = {0: 0.0, 2: 0.5, 4: 1.0, 8: 2.0}  # hours
SUMMER_UNKNOWN = 255


def encode_date_time(t: float) -> bytes:
    """Return a Date Time (org.bluetooth.characteristic.date_time), UTC, cut to whole seconds.

    t: seconds since the Unix epoch.
    """
    at = datetime.fromtimestamp(t, UTC)
    clock = bytes((at.month, at.day, at.hour, at.minute, at.second))
    return Writer().u16(at.year).raw(clock).done()


def read_date_time(reader: Reader, zone: timedelta = timedelta(0)) -> float:
    """Return seconds since the Unix epoch of a Date Time on a clock that runs `zone` ahead of UTC.

    Raises ValueImpossible for a date that no calendar has, or that the device does not know.
    """
    year, month, day, hour, minute, second = reader.u16(), *reader.take(5)
    if not (year and month and day):
        raise ValueImpossible("the device does not know the date")
    try:
        return (datetime(year, month, day, hour, minute, second, tzinfo=UTC) - zone).timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueImpossible(f"no calendar has {year}-{month}-{day} {hour}:{minute}:{second}") from error


@dataclass(frozen=True, slots=True)
class LocalMoment:
    """A moment with the zone in which its clock ran, as session starts and reference times carry it.

    t: seconds since the Unix epoch, whole. zone: quarter hours from UTC, None when the device does not know.
    summer: code of the daylight saving offset, None when the device does not know.
    """

    t: float
    zone: int | None = 0
    summer: int | None = 0

    def put(self, writer: Writer) -> Writer:
        """Add Date Time, zone and summer time."""
        writer.raw(encode_date_time(self.t + self._ahead().total_seconds()))
        writer.i8(ZONE_UNKNOWN if self.zone is None else self.zone)
        return writer.u8(SUMMER_UNKNOWN if self.summer is None else self.summer)

    def _ahead(self) -> timedelta:
        quarters = 0 if self.zone is None else self.zone
        return timedelta(minutes=15 * quarters, hours=SUMMER.get(self.summer or 0, 0.0))

    @classmethod
    def read(cls, reader: Reader) -> LocalMoment:
        """Read Date Time, zone and summer time. Raises MessageMalformed or ValueImpossible."""
        clock, zone, summer = reader.take(7), reader.i8(), reader.u8()
        if zone != ZONE_UNKNOWN and zone not in ZONES:
            raise MessageMalformed(f"time zone {zone} is reserved")
        if summer != SUMMER_UNKNOWN and summer not in SUMMER:
            raise MessageMalformed(f"summer time {summer} is reserved")
        found = cls(0.0, None if zone == ZONE_UNKNOWN else zone, None if summer == SUMMER_UNKNOWN else summer)
        return cls(read_date_time(Reader(clock), found._ahead()), found.zone, found.summer)
