"""The SENSE forward model and its least-squares inverse by conjugate gradients.

y_c = M F (S_c x),   x* = argmin |y - E x|^2 + lambda |x|^2   (Pruessmann et al., Magn Reson Med 46:638, 2001)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imaging.mri.fourier import fft2c, ifft2c

if TYPE_CHECKING:
    import torch

ITERATIONS = 30
TOLERANCE = 1e-5
LAMDA = 0.003  # for k-space scaled to a zero-filled maximum of 1; best over the phantoms of benchmarks.reconstruction


@dataclass(frozen=True, slots=True)
class Sense:
    """E: image (y, x) -> k-space (coil, ky, kx), for maps (coil, y, x) complex and mask (ky, kx) of 0 and 1."""

    maps: torch.Tensor
    mask: torch.Tensor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return E x: coil images, transformed, sampled."""
        return self.mask * fft2c(self.maps * image)

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """Return E^H y: the zero-filled images of all coils, combined."""
        return (self.maps.conj() * ifft2c(self.mask * kspace)).sum(0)

    def normal(self, image: torch.Tensor) -> torch.Tensor:
        """Return E^H E x."""
        return self.adjoint(self.forward(image))


def cg_sense(
    model: Sense,
    kspace: torch.Tensor,
    lamda: float = LAMDA,
    iterations: int = ITERATIONS,
    on_iteration: Callable[[int, int], None] | None = None,
) -> torch.Tensor:
    """Return the image (y, x) complex that explains `kspace` (coil, ky, kx).

    `on_iteration(done, iterations)` reports progress. Ends when the residual has fallen by TOLERANCE.
    """
    import torch

    target = model.adjoint(kspace)
    image = torch.zeros_like(target)
    residual = target.clone()
    direction = residual.clone()
    energy = _energy(residual)
    enough = energy * TOLERANCE**2
    for done in range(1, iterations + 1):
        if energy <= enough or energy == 0:
            break
        pushed = model.normal(direction) + lamda * direction
        step = energy / float(torch.vdot(direction.flatten(), pushed.flatten()).real)
        image = image + step * direction
        residual = residual - step * pushed
        energy, previous = _energy(residual), energy
        direction = residual + (energy / previous) * direction
        if on_iteration:
            on_iteration(done, iterations)
    return image


def _energy(tensor: torch.Tensor) -> float:
    import torch

    return float(torch.vdot(tensor.flatten(), tensor.flatten()).real)
