"""The array reader gives back what NumPy wrote, or one named error."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imaging.codec.npy import read_npy
from imaging.errors import KSpaceMalformed

KINDS = st.sampled_from(["<c8", "<c16", "<f4", ">f4", "|b1", "<u2"])
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, max_side=4)


def written(array: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@given(array=hnp.arrays(KINDS.map(np.dtype), SHAPES), fortran=st.booleans())
def test_round_trip(array, fortran) -> None:
    ordered = np.asfortranarray(array) if fortran else array
    np.testing.assert_array_equal(read_npy(written(ordered)), ordered)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_named(data) -> None:
    with pytest.raises(KSpaceMalformed):
        read_npy(data)
    with pytest.raises(KSpaceMalformed):
        read_npy(b"\x93NUMPY\x01\x00" + data)


@given(cut=st.integers(0, 300), place=st.integers(0, 127), value=st.integers(0, 255))
def test_mutated_file_is_read_or_named(cut, place, value) -> None:
    good = written(np.arange(24, dtype="<c8").reshape(2, 3, 4))
    mutated = bytearray(good)
    mutated[place] = value
    for data in (good[:cut], bytes(mutated)):
        try:
            assert read_npy(data).nbytes <= len(good)
        except KSpaceMalformed:
            continue
