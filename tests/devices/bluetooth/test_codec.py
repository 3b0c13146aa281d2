"""Every codec reads what it wrote, and answers anything else with a named error."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.bluetooth.codec import cgm, cgm_control, racp
from devices.bluetooth.codec.blood_pressure import BloodPressureMeasurement
from devices.bluetooth.codec.device import decode_battery_level, decode_text
from devices.bluetooth.codec.heart_rate import HeartRateMeasurement
from devices.bluetooth.codec.log import LogRecord
from devices.bluetooth.codec.moments import LocalMoment
from devices.bluetooth.codec.thermometer import TemperatureMeasurement
from devices.bluetooth.errors import CrcWrong, MessageMalformed, MessageTruncated, OverAirRefused, ValueImpossible
from tests.devices.bluetooth.records import CODECS

every_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)


@every_codec
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_what_was_written_is_read(codec, data):
    record = data.draw(codec.records)
    assert codec.decode(codec.encode(record)) == record


@every_codec
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_no_cut_and_no_added_byte_is_read_as_the_same(codec, data):
    record = data.draw(codec.records)
    message = codec.encode(record)
    for changed in (*(message[:size] for size in range(len(message))), message + b"\x2a"):
        with contextlib.suppress(OverAirRefused):
            # A checksum finds every flipped bit, not every cut: what is left may by chance end in its own.
            assert codec.decode(changed) != record


@every_codec
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_no_flipped_bit_and_no_noise_does_more_than_be_refused(codec, data):
    message = bytearray(codec.encode(data.draw(codec.records)))
    if message:
        message[data.draw(st.integers(0, len(message) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for noise in (bytes(message), data.draw(st.binary(max_size=60))):
        with contextlib.suppress(OverAirRefused):
            codec.decode(noise)
            assert not codec.crc or noise != bytes(message), "a checksum must find one flipped bit"


def test_published_messages_are_read():
    # Heart Rate Service examples: 72/min in one byte with contact and two intervals of one second.
    beat = HeartRateMeasurement.decode(bytes.fromhex("164800040004"))
    assert (beat.bpm, beat.contact, beat.rr_1024ths) == (72, True, (1024, 1024))
    # Glucose control point examples with checksums from another implementation of the service.
    assert cgm_control.GlucoseReply.decode(bytes.fromhex("1c02013c3b"), crc=True).outcome.name == "SUCCESS"
    assert cgm_control.GlucoseReply.decode(bytes.fromhex("030a8a75"), crc=True).interval_min == 10
    with pytest.raises(CrcWrong):
        cgm_control.GlucoseReply.decode(bytes.fromhex("1c0202a701"), crc=True)


def test_one_notification_may_hold_several_glucose_records():
    records = [cgm.GlucoseMeasurement(float(101 + i), i, trend=0.5) for i in range(3)]
    message = b"".join(record.encode(crc=True) for record in records)
    assert cgm.decode_measurements(message, crc=True) == records
    for size in range(len(message)):
        if size % (len(message) // 3):
            with pytest.raises((MessageTruncated, MessageMalformed, CrcWrong)):
                cgm.decode_measurements(message[:size], crc=True)


def test_a_record_of_the_log_fits_into_the_smallest_notification():
    assert len(LogRecord(2**32 - 1, 4e9, 2**32 - 1, 1.0).encode()) <= 20


def test_a_session_in_another_zone_is_the_same_moment():
    start = LocalMoment(1_700_000_000.0, zone=4, summer=4)
    message = cgm.encode_session_start(start, crc=False)
    assert message[4] == 0  # 22:13 UTC is 00:13 on a clock two hours ahead
    assert cgm.decode_session_start(message, crc=False) == start


def test_units_of_other_countries_are_converted():
    assert TemperatureMeasurement(98.6, fahrenheit=True).celsius == 37.0
    pressure = BloodPressureMeasurement(16.0, 10.6, 12.4, kilopascal=True)
    assert [pressure.mmhg(p) for p in (pressure.systolic, pressure.diastolic, pressure.mean)] == [120.0, 79.5, 93.0]


def test_reserved_flags_are_refused():
    with pytest.raises(MessageMalformed):
        HeartRateMeasurement.decode(bytes([0x80, 60]))


def test_a_battery_and_a_text_that_cannot_be_true_are_refused():
    with pytest.raises(ValueImpossible):
        decode_battery_level(b"\x65")
    assert decode_text(b"EMU-0001\0") == "EMU-0001"
    for text in (b"\xff\xfe", b"a\x1b[2Jb", b"x" * 200):
        with pytest.raises(MessageMalformed):
            decode_text(text)


def test_a_device_without_a_clock_says_so_and_is_not_believed():
    with pytest.raises(ValueImpossible):
        TemperatureMeasurement.decode(bytes([0x02]) + bytes(4) + bytes(7))


def test_filters_take_the_bounds_with_them():
    request = racp.RecordRequest(racp.Op.REPORT, racp.Operator.RANGE, (3, 5))
    assert [key for key in range(8) if request.selects(key)] == [3, 4, 5]
    with pytest.raises(MessageMalformed):
        racp.RecordRequest.decode(bytes.fromhex("0104010500") + bytes.fromhex("0300"), 2)
