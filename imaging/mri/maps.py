"""Coil sensitivity maps from the calibration centre of k-space.

    centre -> all k x k patches -> signal subspace (eigenvectors of the patch covariance)
           -> projector as a small k-space kernel per coil pair -> image domain: one coils x coils matrix per pixel
           -> its dominant eigenvector = the sensitivities there; its eigenvalue, near 1 = there is signal

ESPIRiT (Uecker et al., Magn Reson Med 71:990, 2014). The projector is formed once as the kernels' correlation instead
of per eigenvector, so that the cost in the image domain does not depend on the size of the subspace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imaging.errors import CalibrationTooSmall

if TYPE_CHECKING:
    import torch

KERNEL = 6
SUBSPACE = 0.02  # singular values above this part of the largest span the signal, as in the paper
SMALLEST = 12  # with fewer calibration lines the patch covariance is rank deficient and maps become NaN
CROP = 0.9  # pixels whose eigenvalue is lower hold no signal


def espirit_maps(calibration: torch.Tensor, shape: tuple[int, int], crop: float = CROP) -> torch.Tensor:
    """Return the maps (coil, y, x) complex64 of unit norm over coils, zero where there is no signal.

    `calibration` is the fully sampled centre (coil, ky, kx) complex; `shape` the image's (y, x). The phase is
    relative to the first coil. Raises CalibrationTooSmall below SMALLEST lines.
    """
    import torch

    if min(calibration.shape[-2:]) < SMALLEST:
        raise CalibrationTooSmall(
            f"Maps need a fully sampled centre of {SMALLEST} x {SMALLEST}, not {tuple(calibration.shape[-2:])}."
        )
    kernels = _subspace(calibration)
    matrices = _image_matrices(kernels, shape)
    values, vectors = torch.linalg.eigh(matrices)  # ascending
    strongest = vectors[..., -1].permute(2, 0, 1)
    phase = torch.exp(-1j * torch.angle(strongest[:1]))
    maps: torch.Tensor = strongest * phase * (values[..., -1] > crop)
    return maps


def low_resolution_maps(calibration: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Return maps (coil, y, x) from the blurred image of the centre over its root sum of squares, for any centre size.

    Plainer than ESPIRiT and smoother at the edge of the head (McKenzie et al., Magn Reson Med 47:529, 2002).
    """
    import torch

    from imaging.mri.fourier import ifft2c

    height, width = calibration.shape[-2:]
    window = torch.hann_window(height + 2)[1:-1, None] * torch.hann_window(width + 2)[None, 1:-1]
    blurred = ifft2c(_padded(calibration * window, shape))
    norm = blurred.abs().square().sum(0).sqrt()
    maps = blurred / norm.clamp_min(1e-12)
    relative: torch.Tensor = maps * torch.exp(-1j * torch.angle(maps[:1])) * (norm > 0.05 * norm.max())
    return relative


def _subspace(calibration: torch.Tensor) -> torch.Tensor:
    """Return the signal subspace of the patches as kernels (n, coil, KERNEL, KERNEL)."""
    import torch

    coils = calibration.shape[0]
    patches = calibration.unfold(1, KERNEL, 1).unfold(2, KERNEL, 1)  # coil, y, x, KERNEL, KERNEL
    columns = patches.permute(0, 3, 4, 1, 2).reshape(coils * KERNEL * KERNEL, -1)
    energy, basis = torch.linalg.eigh(columns @ columns.mH)
    kept = basis[:, energy > SUBSPACE**2 * energy[-1]]
    kernels: torch.Tensor = kept.T.reshape(-1, coils, KERNEL, KERNEL)
    return kernels


def _image_matrices(kernels: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Return the projector (y, x, coil, coil) Hermitian: per pixel, what the patches allow the coils to say
    together."""
    import torch

    side = 2 * KERNEL - 1
    spectra = torch.fft.fft2(kernels, s=(side, side))
    correlation = torch.fft.ifft2(torch.einsum("ncyx,ndyx->cdyx", spectra, spectra.conj()))
    centred = torch.fft.fftshift(correlation, dim=(-2, -1)) / KERNEL**2  # lag 0 at index KERNEL - 1
    grid = torch.fft.ifftshift(_padded(centred, shape), dim=(-2, -1))
    images = torch.fft.fftshift(torch.fft.ifft2(grid, norm="forward"), dim=(-2, -1))
    matrices: torch.Tensor = images.permute(2, 3, 0, 1)
    return matrices


def _padded(centre: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Return `centre` (..., h, w) in the middle of zeros of `shape`, index h // 2 onto index n // 2."""
    height, width = centre.shape[-2:]
    grid = centre.new_zeros((*centre.shape[:-2], *shape))
    top, left = shape[0] // 2 - height // 2, shape[1] // 2 - width // 2
    grid[..., top : top + height, left : left + width] = centre
    return grid
