"""The decimal numbers of IEEE 11073-20601 that health services carry: SFLOAT (16 bit) and FLOAT (32 bit).

A number is mantissa x 10 ** exponent: SFLOAT has a signed 12-bit mantissa and a signed 4-bit exponent, FLOAT a signed
24-bit mantissa and a signed 8-bit exponent. With exponent 0 five mantissas stand for no number at all.
(Bluetooth GATT Specification Supplement, "medfloat16" and "medfloat32"; IEEE 11073-20601, annex F.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum

from devices.bluetooth.errors import ValueImpossible


class Special(Enum):
    """What stands in place of a number; the value is its distance from +infinity's mantissa."""

    POSITIVE_INFINITY = 0
    NAN = 1
    NRES = 2  # the sensor could not resolve it
    RESERVED = 3
    NEGATIVE_INFINITY = 4


Number = float | Special


@dataclass(frozen=True, slots=True)
class _Layout:
    mantissa_bits: int
    exponent_bits: int

    @property
    def infinity(self) -> int:
        """The mantissa of +infinity: the second largest positive one; the other specials follow it."""
        return (1 << self.mantissa_bits - 1) - 2

    @property
    def largest(self) -> int:
        """The largest mantissa that is a number with either sign."""
        return self.infinity - 1

    @property
    def exponents(self) -> range:
        half = 1 << self.exponent_bits - 1
        return range(-half, half)


_SFLOAT, _FLOAT = _Layout(12, 4), _Layout(24, 8)


def decode_sfloat(raw: int) -> Number:
    """Return the value of a 16-bit SFLOAT."""
    return _decode(raw, _SFLOAT)


def decode_float(raw: int) -> Number:
    """Return the value of a 32-bit FLOAT."""
    return _decode(raw, _FLOAT)


def encode_sfloat(value: Number) -> int:
    """Return the SFLOAT nearest to the value, integers with exponent 0. Raises ValueImpossible beyond 2045e7."""
    return _encode(value, _SFLOAT)


def encode_float(value: Number) -> int:
    """Return the FLOAT nearest to the value, integers with exponent 0. Raises ValueImpossible when too large."""
    return _encode(value, _FLOAT)


def as_value(number: Number) -> float | None:
    """Return the number, or None where the sensor says that it has none."""
    return None if isinstance(number, Special) else number


def _decode(raw: int, layout: _Layout) -> Number:
    mantissa = raw & (1 << layout.mantissa_bits) - 1
    exponent = raw >> layout.mantissa_bits
    if exponent == 0 and 0 <= mantissa - layout.infinity <= 4:
        return Special(mantissa - layout.infinity)
    if mantissa >> layout.mantissa_bits - 1:
        mantissa -= 1 << layout.mantissa_bits
    if exponent >> layout.exponent_bits - 1:
        exponent -= 1 << layout.exponent_bits
    # A division rounds once, a product with 0.1 twice: 98.1 must be the double 98.1.
    return mantissa / 10.0**-exponent if exponent < 0 else mantissa * 10.0**exponent


def _encode(value: Number, layout: _Layout) -> int:
    if isinstance(value, Special):
        return layout.infinity + value.value
    if not math.isfinite(value):
        raise ValueImpossible("give NaN and infinities as Special")
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    if not isinstance(exponent, int):
        raise ValueImpossible(f"{value} is no number")
    mantissa = int("".join(map(str, digits)))
    while exponent > max(layout.exponents) or (exponent > 0 and mantissa * 10 <= layout.largest):
        mantissa, exponent = mantissa * 10, exponent - 1
    # Round once, from all digits: rounding again and again would carry 0.44445 up to 0.5.
    drop = max(min(layout.exponents) - exponent, len(str(mantissa)) - len(str(layout.largest)), 0)
    shorter = _shortened(mantissa, drop)
    if shorter > layout.largest:
        drop += 1
        shorter = _shortened(mantissa, drop)
    exponent = exponent + drop if shorter else 0
    if exponent not in layout.exponents or shorter > layout.largest:
        raise ValueImpossible(f"{value} does not fit into {layout.mantissa_bits + layout.exponent_bits} bits")
    signed = -shorter if sign else shorter
    exponent_raw = exponent & (1 << layout.exponent_bits) - 1
    return exponent_raw << layout.mantissa_bits | signed & (1 << layout.mantissa_bits) - 1


def _shortened(mantissa: int, drop: int) -> int:
    return int((Decimal(mantissa) / (Decimal(10) ** drop)).quantize(Decimal(1), ROUND_HALF_EVEN)) if drop else mantissa
