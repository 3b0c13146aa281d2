"""Canonical JSON (RFC 8785) with the standard library alone: one text, and so one hash, for one content."""

from __future__ import annotations

import json
from decimal import Decimal
from math import isfinite
from typing import Any

MAX_SAFE = 2**53 - 1


def canonical(value: Any) -> str:
    """Return what RFC 8785 writes. Raises ValueError for what it cannot: a number beyond 2**53, half a character."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("a key is text")
        inner = (f"{_text(key)}:{canonical(value[key])}" for key in sorted(value, key=_units))
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        if abs(value) > MAX_SAFE:
            raise ValueError("a whole number is beyond 2**53")
        return str(value)
    if isinstance(value, float):
        return _number(value)
    raise ValueError(f"{type(value).__name__} is not JSON")


def _units(key: str) -> bytes:
    return key.encode("utf-16-be")  # keys are sorted by their UTF-16 code units


def _text(value: str) -> str:
    value.encode()  # half a character raises UnicodeEncodeError, which is a ValueError
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """Return a fraction as ECMAScript writes it: the shortest digits, plain between 1e-6 and 1e21."""
    if not isfinite(value):
        raise ValueError("a number is not finite")
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    shown = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + int(exponent)
    if len(shown) <= point <= 21:
        words = shown + "0" * (point - len(shown))
    elif 0 < point <= 21:
        words = f"{shown[:point]}.{shown[point:]}"
    elif -6 < point <= 0:
        words = f"0.{'0' * -point}{shown}"
    else:
        words = f"{shown[0]}{'.' + shown[1:] if shown[1:] else ''}e{point - 1:+d}"
    return f"{'-' if sign else ''}{words}"
