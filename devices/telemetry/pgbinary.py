"""Arrays in PostgreSQL's binary formats, straight from NumPy: no Python object per reading."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

# COPY's binary format: a header, then per row the number of columns and each column's length and bytes.
COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TAIL = b"\xff\xff"
_COLUMNS = (("device", ">i8"), ("seq", ">i8"), ("metric", ">i8"), ("t", ">f8"), ("value", ">f8"), ("received", ">f8"))
COPY_ROW = np.dtype(
    [("columns", ">i2")] + [part for name, kind in _COLUMNS for part in ((f"{name}_bytes", ">i4"), (name, kind))]
)

# An array of one dimension: dimensions, whether there are nulls, type of the elements, length, first index; elements.
_ARRAY_HEAD = struct.Struct(">iiIii")
BIGINT, FLOAT8 = 20, 701  # numbers of the types in pg_type
BIGINTS, FLOATS = 1016, 1022  # and of their arrays


class Array(bytes):
    """A parameter that is already in binary format; the subclass says of which type."""


class Bigints(Array):
    """A bigint[]."""


class Floats(Array):
    """A float8[]."""


class _BigintsDumper(Dumper):
    format, oid = Format.BINARY, BIGINTS

    def dump(self, obj: Array) -> Buffer | None:
        return obj


class _FloatsDumper(_BigintsDumper):
    oid = FLOATS


def register(db: psycopg.Connection[Any]) -> None:
    """Let a connection take these arrays as parameters."""
    db.adapters.register_dumper(Bigints, _BigintsDumper)
    db.adapters.register_dumper(Floats, _FloatsDumper)


def bigints(values: NDArray[Any]) -> Bigints:
    """Return whole numbers below 2^63 as a bigint[]."""
    return Bigints(_array(values, ">i8", BIGINT))


def floats(values: NDArray[Any]) -> Floats:
    """Return numbers as a float8[]."""
    return Floats(_array(values, ">f8", FLOAT8))


def _array(values: NDArray[Any], kind: str, element: int) -> bytes:
    items = np.empty(len(values), [("bytes", ">i4"), ("value", kind)])
    items["bytes"], items["value"] = 8, values
    return _ARRAY_HEAD.pack(1, 0, element, len(values), 1) + items.tobytes()


def copy_bytes(readings: NDArray[np.void], received: float) -> bytes:
    """Return READING[n], received at one time, in COPY's binary format."""
    rows = np.empty(len(readings), COPY_ROW)
    rows["columns"] = len(_COLUMNS)
    for name, _ in _COLUMNS:
        rows[f"{name}_bytes"] = 8
        rows[name] = received if name == "received" else readings[name]
    return COPY_HEAD + rows.tobytes() + COPY_TAIL
