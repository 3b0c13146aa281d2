"""Two pumps with the faults of two that were sold, and what commands them. The packets are ours; the faults are theirs.

`FobPump` has those of the MiniMed 508 and Paradigm with a remote control: a serial number in the clear is all that a
command needs, nothing makes one packet differ from the next, and any command may be given by anybody. CVE-2018-14781
(ICSMA-18-219-02), CVE-2019-10964 (ICSMA-19-178-01); J. Radcliffe, Black Hat USA 2011; C. Li, A. Raghunathan and
N. K. Jha, "Hijacking an insulin pump", IEEE HealthCom 2011.

`MeterPump` has those of the OneTouch Ping with its meter: everything in the clear, a checksum for a key that is the
same at every pairing, nothing against repetition. CVE-2016-5084, -5085, -5086 (ICSMA-16-279-01, VU#884840, R7-2016-07).
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum

from tests.lab.radio import Radio


class Command(IntEnum):
    """What a remote control says, and what a pump says back."""

    BOLUS = 1
    SUSPEND = 2
    DONE = 3


_FOB = struct.Struct(">6sBHI")  # serial number, command, hundredths of a unit, checksum
_FOB_SAID = _FOB.size - 4


def fob_packet(serial: bytes, command: Command, units: float = 0.0) -> bytes:
    """Return a packet as the remote control makes it: anybody can, who has heard the serial number once."""
    said = _FOB.pack(serial, command, round(units * 100), 0)[:_FOB_SAID]
    return said + zlib.crc32(said).to_bytes(4)


def read_fob(packet: bytes) -> tuple[bytes, Command, float]:
    """Return serial number, command and units. Raises ValueError for noise."""
    serial, command, hundredths, checksum = _FOB.unpack(packet)
    if zlib.crc32(packet[:_FOB_SAID]) != checksum:
        raise ValueError("noise")
    return serial, Command(command), hundredths / 100


class FobPump:
    """Does what a packet with its serial number says."""

    def __init__(self, radio: Radio, serial: bytes = b"503271") -> None:
        self._radio, self.serial = radio, serial
        self.given_u = 0.0
        self.runs = True
        radio.listen(self._hear)

    def _hear(self, packet: bytes) -> None:
        serial, command, units = read_fob(packet)
        if serial != self.serial or command is Command.DONE:
            return
        if command is Command.BOLUS:
            self.given_u += units
        else:
            self.runs = False
        self._radio.send(fob_packet(self.serial, Command.DONE))


class Fob:
    """The remote control in the patient's pocket. confirmed: how often it was told that its command was done."""

    def __init__(self, radio: Radio, serial: bytes = b"503271") -> None:
        self._radio, self._serial = radio, serial
        self.confirmed = 0
        radio.listen(self._hear)

    def press(self, command: Command, units: float = 0.0) -> None:
        self._radio.send(fob_packet(self._serial, command, units))

    def _hear(self, packet: bytes) -> None:
        serial, command, _ = read_fob(packet)
        self.confirmed += serial == self._serial and command is Command.DONE


_METER = struct.Struct(">4sIH")  # what it is, the value of the pairing, hundredths of a unit
PAIR, GREET, DOSE = b"PAIR", b"GREE", b"DOSE"


def meter_packet(what: bytes, value: int, units: float = 0.0) -> bytes:
    return _METER.pack(what, value, round(units * 100))


def read_meter(packet: bytes) -> tuple[bytes, int, float]:
    what, value, hundredths = _METER.unpack(packet)
    return what, value, hundredths / 100


class MeterPump:
    """Gives what a meter asks that names the value of the pairing and has greeted."""

    def __init__(self, radio: Radio, serial: bytes = b"P-20775") -> None:
        self.serial = serial
        self.given_u = 0.0
        self._value = -1
        self._greeted = False
        radio.listen(self._hear)

    def _hear(self, packet: bytes) -> None:
        what, value, units = read_meter(packet)
        if what == PAIR:
            self._value = value
        elif value == self._value and what == GREET:
            self._greeted = True
        elif value == self._value and self._greeted:
            self.given_u += units
            self._greeted = False


class Meter:
    """The meter from which a patient doses. The value of its pairing is made of two numbers that never change."""

    def __init__(self, radio: Radio, pump: MeterPump, serial: bytes = b"M-91134") -> None:
        self._radio = radio
        self._value = zlib.crc32(pump.serial + serial)

    def pair(self) -> None:
        self._radio.send(meter_packet(PAIR, self._value))

    def dose(self, units: float) -> None:
        self._radio.send(meter_packet(GREET, self._value))
        self._radio.send(meter_packet(DOSE, self._value, units))
