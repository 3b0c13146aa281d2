"""Reads a NumPy array file (NEP 1) as hostile input: no pickles, and no memory before the size is known to be true.

NumPy's own reader allocates what the header declares, and its header parser raises whatever Python's tokenizer does.
"""

from __future__ import annotations

import math
import re
import struct

import numpy as np
from numpy.typing import NDArray

from imaging.errors import KSpaceMalformed

MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '(?P<descr>[<>|]?[bcfiu]\d{1,2})', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>(?:\d{1,9}, ?)*\d{0,9})\), \} *\n"
)


def read_npy(data: bytes) -> NDArray[np.generic]:
    """Return the array in the `.npy` bytes, which it shares; raise KSpaceMalformed for anything but plain numbers,
    and when header and length disagree."""
    header, body = _split(data)
    found = _HEADER.fullmatch(header)
    if found is None:
        raise KSpaceMalformed("This array file holds something else than plain numbers.")
    shape = tuple(int(side) for side in found["shape"].split(b",") if side.strip())
    try:
        dtype = np.dtype(found["descr"].decode())
    except TypeError as error:
        raise KSpaceMalformed("This array file has an unknown type of number.") from error
    if math.prod(shape) * dtype.itemsize != len(body):
        raise KSpaceMalformed("The array's header and its length disagree.")
    return np.frombuffer(body, dtype=dtype).reshape(shape, order="F" if found["fortran"] == b"True" else "C")


def _split(data: bytes) -> tuple[bytes, memoryview]:
    """Return header and body; versions 2 and 3 have a longer length field than version 1."""
    if data[:6] != MAGIC or data[6:8] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise KSpaceMalformed("This is not a NumPy array file.")
    wide = data[6] > 1
    start = 12 if wide else 10
    if len(data) < start:
        raise KSpaceMalformed("The array file ends early.")
    length = struct.unpack_from("<I" if wide else "<H", data, 8)[0]
    return data[start : start + length], memoryview(data)[start + length :]
