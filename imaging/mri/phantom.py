"""A made head for demonstrations and tests: ellipses, smooth coils, noise, and lines left out. Synthetic, and to be
labelled so wherever it is shown.

It is drawn on the same grid on which it is reconstructed, which flatters every method; figures come from measured data.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imaging.mri.sampling import equispaced_mask

# value, half axes (y, x), centre (y, x) and half height along the slices, in parts of the field of view
ELLIPSOIDS = (
    (0.9, 0.46, 0.36, 0.0, 0.0, 0.50),  # scalp
    (-0.6, 0.43, 0.33, 0.0, 0.0, 0.47),  # skull
    (0.35, 0.41, 0.31, 0.01, 0.0, 0.45),  # brain
    (-0.25, 0.13, 0.05, -0.02, -0.09, 0.22),  # ventricles
    (-0.25, 0.13, 0.05, -0.02, 0.09, 0.22),
    (0.20, 0.10, 0.14, -0.22, 0.0, 0.30),
    (0.30, 0.035, 0.035, 0.16, 0.14, 0.10),  # a lesion, in the middle slices only
    (0.15, 0.02, 0.02, 0.27, -0.06, 0.25),
)


def undersampled_phantom(
    *, slices: int, coils: int, side: int, every: int, calibration: int, seed: int
) -> Iterator[NDArray[np.complex64]]:
    """Yield k-space (coil, ky, kx) complex64 per slice: every `every`-th line and `calibration` central ones."""
    rng = np.random.default_rng(seed)
    maps = _coil_maps(coils, side)
    mask = equispaced_mask((side, side), every, calibration)
    for height in np.linspace(-0.3, 0.3, slices):
        coil_images = maps * _slice(float(height), side, rng)
        full = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(coil_images, axes=(1, 2)), norm="ortho"), axes=(1, 2))
        noise = rng.normal(scale=0.004, size=(2, *full.shape))
        yield ((full + noise[0] + 1j * noise[1]) * mask).astype(np.complex64)


def _slice(height: float, side: int, rng: np.random.Generator) -> NDArray[np.complex128]:
    y, x = _grid(side)
    image = np.zeros((side, side))
    for value, half_y, half_x, centre_y, centre_x, half_z in ELLIPSOIDS:
        inside = ((y - centre_y) / half_y) ** 2 + ((x - centre_x) / half_x) ** 2 + (height / half_z) ** 2 <= 1
        image += value * inside
    texture = 0.02 * image * rng.normal(size=image.shape)
    phase = np.exp(1j * (0.8 * x + 0.5 * y + 1.2 * x * y))
    painted: NDArray[np.complex128] = (image + texture) * phase
    return painted


def _coil_maps(coils: int, side: int) -> NDArray[np.complex128]:
    """Return smooth sensitivities (coil, y, x) of loops around the head."""
    y, x = _grid(side)
    angles = 2 * np.pi * np.arange(coils) / coils
    distance = (y - 0.6 * np.sin(angles)[:, None, None]) ** 2 + (x - 0.6 * np.cos(angles)[:, None, None]) ** 2
    phase = np.exp(1j * (angles[:, None, None] + x * np.cos(angles)[:, None, None]))
    maps: NDArray[np.complex128] = np.exp(-distance / 0.35) * phase
    return maps


def _grid(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    axis = (np.arange(side) - side // 2) / side
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x
