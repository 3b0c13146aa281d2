"""From measured k-space to two images that can be compared: zero-filled and CG-SENSE, in the same units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imaging.errors import CalibrationTooSmall
from imaging.mri.maps import SMALLEST, espirit_maps, low_resolution_maps
from imaging.mri.sampling import calibration_shape, centre, checked_kspace, sampling_mask
from imaging.mri.sense import LAMDA, Sense, cg_sense

if TYPE_CHECKING:
    import torch

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Magnitudes (y, x) float32 in the units of the k-space, and how they were made."""

    zero_filled: NDArray[np.float32]
    cg_sense: NDArray[np.float32]
    acceleration: float  # points of the grid per measured point
    calibration: tuple[int, int]
    maps: str  # "espirit", "low resolution" or "single coil"


def reconstruct(
    kspace: NDArray[np.generic],
    progress: Progress | None = None,
    mask: NDArray[np.bool_] | None = None,
    lamda: float = LAMDA,
) -> Reconstruction:
    """Reconstruct one slice of k-space (coil, ky, kx) complex; `mask` (ky, kx) defaults to the points that are not
    zero.

    `progress(fraction, stage)` is told where the work stands. Raises KSpaceMalformed or CalibrationTooSmall.
    """
    import torch

    tell = progress or (lambda _fraction, _stage: None)
    checked = checked_kspace(kspace)
    sampled = sampling_mask(checked) if mask is None else mask & sampling_mask(checked)
    tell(0.05, "coil maps")
    measured = torch.from_numpy(checked) * torch.from_numpy(sampled)
    maps, extent, method = coil_maps(checked, sampled)
    model = Sense(maps, torch.from_numpy(sampled.astype(np.float32)))
    scale = float(model.adjoint(measured).abs().max()) or 1.0
    zero_filled = model.adjoint(measured / scale)

    def report(done: int, of: int) -> None:
        tell(0.3 + 0.7 * done / of, "CG-SENSE")

    image = cg_sense(model, measured / scale, lamda, on_iteration=report)
    return Reconstruction(
        (zero_filled.abs() * scale).numpy(),
        (image.abs() * scale).numpy(),
        float(sampled.size / sampled.sum()),
        extent,
        method,
    )


def coil_maps(kspace: NDArray[np.complex64], mask: NDArray[np.bool_]) -> tuple[torch.Tensor, tuple[int, int], str]:
    """Return maps (coil, y, x), the calibration extent used, and the method's name; the best method the centre
    allows."""
    import torch

    extent = calibration_shape(mask)
    shape = (kspace.shape[1], kspace.shape[2])
    if kspace.shape[0] == 1:
        return torch.ones((1, *shape), dtype=torch.complex64), extent, "single coil"
    calibration = torch.from_numpy(np.ascontiguousarray(centre(kspace, *extent)))
    if min(extent) >= SMALLEST:
        return espirit_maps(calibration, shape), extent, "espirit"
    if min(extent) < 4:
        raise CalibrationTooSmall(f"Only {extent[0]} x {extent[1]} points at the centre are fully sampled.")
    return low_resolution_maps(calibration, shape), extent, "low resolution"
