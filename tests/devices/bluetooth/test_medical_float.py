"""SFLOAT and FLOAT: published values, exact round trips, the five specials."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.bluetooth.codec.medical_float import (
    Special,
    as_value,
    decode_float,
    decode_sfloat,
    encode_float,
    encode_sfloat,
)
from devices.bluetooth.errors import ValueImpossible


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (0x00F9, 249.0),  # readings of a real glucose monitor
        (0xE074, 1.16),
        (0xE010, 0.16),
        (0x0F9C, -100.0),
        (0xF00C, 1.2),  # the alert level of CGMS examples
        (0xC00B, 0.0011),
        (0x0072, 114.0),  # IEEE 11073-20601: 114 mmHg
    ],
)
def test_known_short_numbers_are_read_and_written_alike(raw, value):
    assert decode_sfloat(raw) == value
    assert encode_sfloat(value) == raw


@pytest.mark.parametrize(("raw", "value"), [(0xFF00016C, 36.4), (0xFE000E3A, 36.42), (0x00000025, 37.0)])
def test_known_long_numbers_are_read_and_written_alike(raw, value):
    assert decode_float(raw) == value
    assert encode_float(value) == raw


@pytest.mark.parametrize(
    ("short", "long", "special"),
    [
        (0x07FE, 0x007FFFFE, Special.POSITIVE_INFINITY),
        (0x07FF, 0x007FFFFF, Special.NAN),
        (0x0800, 0x00800000, Special.NRES),
        (0x0801, 0x00800001, Special.RESERVED),
        (0x0802, 0x00800002, Special.NEGATIVE_INFINITY),
    ],
)
def test_the_five_specials_are_no_numbers(short, long, special):
    assert (decode_sfloat(short), decode_float(long)) == (special, special)
    assert (encode_sfloat(special), encode_float(special)) == (short, long)
    assert as_value(special) is None


@settings(deadline=None, max_examples=40)
@given(st.integers(-2045, 2045), st.integers(-8, 7))
def test_every_short_number_survives(mantissa, exponent):
    raw = (exponent & 0xF) << 12 | mantissa & 0xFFF
    value = decode_sfloat(raw)
    assert isinstance(value, float)
    assert math.isclose(value, mantissa * 10.0**exponent, rel_tol=1e-15)
    assert decode_sfloat(encode_sfloat(value)) == value


@settings(deadline=None, max_examples=40)
@given(st.integers(-8_388_605, 8_388_605), st.integers(-20, 20))
def test_every_long_number_survives(mantissa, exponent):
    value = decode_float((exponent & 0xFF) << 24 | mantissa & 0xFFFFFF)
    assert decode_float(encode_float(value)) == value


@settings(deadline=None, max_examples=40)
@given(st.floats(-2.045e10, 2.045e10, allow_nan=False))
def test_any_value_is_written_to_within_half_of_the_last_digit(value):
    read = decode_sfloat(encode_sfloat(value))
    assert isinstance(read, float)
    # A mantissa of at least 205 means at most 0.5 in 205; very small values have no smaller exponent than -8.
    assert abs(read - value) <= max(abs(value) * 0.5 / 204.5, 0.51e-8)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 0xFFFF))
def test_every_sixteen_bits_are_a_number_or_a_special(raw):
    value = decode_sfloat(raw)
    assert isinstance(value, Special) or math.isfinite(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2.1e10, -1e300])
def test_what_does_not_fit_is_refused(value):
    with pytest.raises(ValueImpossible):
        encode_sfloat(value)


def test_rounding_happens_once():
    assert decode_sfloat(encode_sfloat(20.4549)) == 20.45
    assert decode_sfloat(encode_sfloat(2045.4)) == 2045.0
    assert decode_sfloat(encode_sfloat(2046.0)) == 2050.0
