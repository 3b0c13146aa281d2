"""Which points of k-space were measured, and where its fully sampled centre lies."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from imaging.errors import KSpaceMalformed

Array = TypeVar("Array", bound=NDArray[np.generic])
MAX_COILS = 256
MAX_SIDE = 4096
MAX_SAMPLES = 1 << 27  # 1 GiB of complex64


def checked_kspace(kspace: NDArray[np.generic]) -> NDArray[np.complex64]:
    """Return `kspace` as complex64 (coil, ky, kx); a single coil may come as (ky, kx).

    Raises KSpaceMalformed for another shape or type, for NaN, and where nothing was measured.
    """
    if kspace.ndim == 2:
        kspace = kspace[None]
    if kspace.ndim != 3 or not np.iscomplexobj(kspace):
        raise KSpaceMalformed(f"k-space must be complex (coil, ky, kx), not {kspace.dtype} {kspace.shape}.")
    coils, ky, kx = kspace.shape
    if not (1 <= coils <= MAX_COILS and 8 <= ky <= MAX_SIDE and 8 <= kx <= MAX_SIDE and kspace.size <= MAX_SAMPLES):
        raise KSpaceMalformed(f"k-space of shape {kspace.shape} is outside what a scanner makes.")
    single = np.array(kspace, dtype=np.complex64, order="C")  # a copy: torch wants memory that it may write to
    if not np.isfinite(single).all():
        raise KSpaceMalformed("k-space holds values that are not finite.")
    if not single.any():
        raise KSpaceMalformed("k-space is empty: every sample is zero.")
    return single


def sampling_mask(kspace: NDArray[np.complex64]) -> NDArray[np.bool_]:
    """Return the (ky, kx) mask of measured points: those where any coil is not exactly zero, which receiver noise
    makes true of every measured point."""
    found: NDArray[np.bool_] = (kspace != 0).any(axis=0)
    return found


def calibration_shape(mask: NDArray[np.bool_], largest: int = 32) -> tuple[int, int]:
    """Return the extent (ky, kx) of the fully sampled rectangle around the centre, at most `largest` on each side."""
    ky, kx = mask.shape
    height, width = 0, 0
    while True:
        taller, wider = min(height + 2, ky, largest), min(width + 2, kx, largest)
        if (taller, wider) != (height, width) and centre(mask, taller, wider).all():
            height, width = taller, wider
        elif taller > height and centre(mask, taller, max(width, 1)).all():
            height, width = taller, max(width, 1)
        elif wider > width and centre(mask, max(height, 1), wider).all():
            height, width = max(height, 1), wider
        else:
            return height, width


def centre(array: Array, height: int, width: int) -> Array:
    """Return the central (..., height, width) part; the centre is index n // 2, as fft2c has it."""
    ky, kx = array.shape[-2:]
    top, left = ky // 2 - height // 2, kx // 2 - width // 2
    part: Array = array[..., top : top + height, left : left + width]  # type: ignore[assignment]
    return part


def equispaced_mask(shape: tuple[int, int], every: int, calibration: int) -> NDArray[np.bool_]:
    """Return a (ky, kx) mask that keeps every `every`-th phase-encoding line and `calibration` central lines."""
    mask = np.zeros(shape, dtype=bool)
    mask[shape[0] // 2 % every :: every] = True
    centre(mask, calibration, shape[1])[:] = True
    return mask
