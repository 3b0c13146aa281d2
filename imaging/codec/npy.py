"""Reads a NumPy array file as hostile input: no pickles, and no memory before the size is known to be true."""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from imaging.errors import KSpaceMalformed


def read_npy(data: bytes) -> NDArray[np.generic]:
    """Return the array in the `.npy` bytes; raise KSpaceMalformed when header and length disagree or it holds
    objects."""
    stream = BytesIO(data)
    try:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(stream)
    except (ValueError, EOFError, OverflowError, RecursionError, MemoryError, TypeError) as error:
        raise KSpaceMalformed("This is not a NumPy array file.") from error
    body = memoryview(data)[stream.tell() :]
    if dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(body):
        raise KSpaceMalformed("The array's header and its length disagree.")
    flat = np.frombuffer(body, dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")
