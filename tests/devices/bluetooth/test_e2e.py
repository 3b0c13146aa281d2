"""The end-to-end checksum against the example of its specification and those of other implementations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.bluetooth.codec.e2e import e2e_crc, with_crc, without_crc
from devices.bluetooth.codec.insulin import CounterWatch, next_counter, opened, protected
from devices.bluetooth.errors import CounterRepeated, CrcWrong, MessageMalformed, MessageTruncated


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (bytes.fromhex("3e010203040506070809"), 0x2F01),  # CGMS 1.0.1, section 3.11, printed octet by octet
        (b"123456789", 0x6F91),  # the check value of CRC-16/MCRF4XX
        (bytes.fromhex("58251f98"), 0x07F1),  # Microchip AN752
        (b"A", 0x5C0A),
        (b"", 0xFFFF),
    ],
)
def test_published_checksums(data, crc):
    assert e2e_crc(data) == crc


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=40), st.integers(0, 335))
def test_one_flipped_bit_is_found(body, bit):
    message = bytearray(with_crc(body))
    assert without_crc(bytes(message)) == body
    message[bit // 8 % len(message)] ^= 1 << bit % 8
    with pytest.raises(CrcWrong):
        without_crc(bytes(message))


def test_a_message_shorter_than_its_checksum_is_truncated():
    with pytest.raises(MessageTruncated):
        without_crc(b"\x01")
    with pytest.raises(MessageTruncated):
        opened(with_crc(b""))


def test_a_counter_that_stands_still_is_refused():
    watch = CounterWatch()
    assert watch.follow(protected(b"a", 7)) == b"a"
    with pytest.raises(CounterRepeated):
        watch.follow(protected(b"b", 7))
    assert watch.follow(protected(b"c", 8)) == b"c"


def test_counters_run_from_one_to_255_and_skip_zero():
    assert [next_counter(0), next_counter(254), next_counter(255)] == [1, 255, 1]
    with pytest.raises(MessageMalformed):
        opened(protected(b"a", 0))
