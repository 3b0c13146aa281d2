"""The operators are what they claim: unitary, adjoint, and equal to sigpy's where sigpy has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.mri.fourier import fft2c, ifft2c
from imaging.mri.maps import espirit_maps
from imaging.mri.phantom import undersampled_phantom
from imaging.mri.reconstruct import coil_maps, reconstruct
from imaging.mri.sampling import calibration_shape, centre, equispaced_mask, sampling_mask
from imaging.mri.sense import Sense, cg_sense

SIDES = st.integers(2, 24)
SEEDS = st.integers(0, 2**31 - 1)


def noise(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.complex64, generator=generator)


def inner(a: torch.Tensor, b: torch.Tensor) -> complex:
    return complex(torch.vdot(a.flatten().to(torch.complex128), b.flatten().to(torch.complex128)))


@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_fourier_is_unitary_and_its_inverse_is_its_adjoint(seed, height, width) -> None:
    image, kspace = noise(seed, height, width), noise(seed + 1, height, width)
    assert torch.allclose(ifft2c(fft2c(image)), image, atol=1e-5)
    assert inner(fft2c(image), kspace) == pytest.approx(inner(image, ifft2c(kspace)), rel=1e-5, abs=1e-4)


def test_zero_frequency_lies_in_the_middle() -> None:
    kspace = fft2c(torch.ones(6, 9, dtype=torch.complex64))
    assert int(kspace.abs().argmax()) == 3 * 9 + 4


@given(seed=SEEDS, coils=st.integers(1, 6), height=SIDES, width=SIDES)
@settings(max_examples=60)
def test_sense_adjoint(seed, coils, height, width) -> None:
    mask = (noise(seed, height, width).real > 0).float()
    model = Sense(noise(seed + 1, coils, height, width), mask)
    image, kspace = noise(seed + 2, height, width), noise(seed + 3, coils, height, width)
    left, right = inner(model.forward(image), kspace), inner(image, model.adjoint(kspace))
    size = float(model.forward(image).norm() * kspace.norm()) + 1e-12
    assert abs(left - right) / size < 1e-5


def test_fully_sampled_study_comes_back() -> None:
    kspace = next(iter(undersampled_phantom(slices=1, coils=6, side=64, every=1, calibration=24, seed=3)))
    maps, _, _ = coil_maps(kspace, sampling_mask(kspace))
    model = Sense(maps, torch.ones(64, 64))
    reference = model.adjoint(torch.from_numpy(kspace))
    image = cg_sense(model, torch.from_numpy(kspace), lamda=0.0)
    assert float((image - reference).norm() / reference.norm()) < 1e-4


def test_cg_sense_beats_zero_filling_on_every_slice() -> None:
    full = undersampled_phantom(slices=3, coils=8, side=96, every=1, calibration=24, seed=5)
    for kspace in full:
        mask = equispaced_mask((96, 96), 3, 24)
        made = reconstruct(kspace * mask)
        maps, _, _ = coil_maps(kspace * mask, mask)
        reference = Sense(maps, torch.ones(96, 96)).adjoint(torch.from_numpy(kspace)).abs().numpy()
        errors = [float(np.square(image - reference).mean()) for image in (made.zero_filled, made.cg_sense)]
        assert errors[1] < errors[0] / 10  # 10 dB


def test_same_as_sigpy_on_the_measured_brain(data_dir) -> None:
    from sigpy.mri import app

    kspace = np.load(data_dir / "data/kspace/sigpy_brain_8ch_undersampled.npy").astype(np.complex64)
    mask = sampling_mask(kspace)
    maps, extent, method = coil_maps(kspace, mask)
    assert (extent, method) == ((24, 24), "espirit")
    theirs = app.EspiritCalib(kspace, calib_width=24, show_pbar=False).run()
    both = (maps.abs().sum(0) > 0).numpy() & (np.abs(theirs).sum(0) > 0)
    agreement = np.abs((maps.numpy().conj() * theirs).sum(0))[both]
    assert both.mean() > 0.7
    assert agreement.mean() > 0.999
    image = cg_sense(Sense(maps, torch.from_numpy(mask.astype(np.float32))), torch.from_numpy(kspace), lamda=0.01)
    oracle = app.SenseRecon(kspace, maps.numpy(), lamda=0.01, max_iter=30, show_pbar=False).run()
    assert np.linalg.norm(image.numpy() - oracle) / np.linalg.norm(oracle) < 1e-3


@pytest.mark.parametrize(("lines", "method"), [(24, "espirit"), (8, "low resolution")])
def test_maps_are_finite_and_of_unit_norm(lines, method) -> None:
    kspace = next(iter(undersampled_phantom(slices=1, coils=4, side=64, every=4, calibration=lines, seed=2)))
    maps, _, used = coil_maps(kspace, sampling_mask(kspace))
    norm = maps.abs().square().sum(0)
    assert used == method
    assert torch.isfinite(norm).all()
    assert torch.allclose(norm[norm > 0], torch.ones(()), atol=1e-4)


def test_too_small_a_centre_is_named() -> None:
    from imaging.errors import CalibrationTooSmall

    with pytest.raises(CalibrationTooSmall):
        espirit_maps(noise(0, 4, 10, 10), (64, 64))


def test_single_coil_needs_no_maps() -> None:
    kspace = noise(1, 32, 32).numpy()
    made = reconstruct(kspace, lamda=0.0)
    assert made.maps == "single coil"
    np.testing.assert_allclose(made.cg_sense, ifft2c(torch.from_numpy(kspace)).abs().numpy(), atol=1e-3)


@given(height=st.integers(16, 60), width=st.integers(16, 60), lines=st.integers(0, 8))
def test_calibration_is_found_where_it_was_put(height, width, lines) -> None:
    mask = np.zeros((height, width), dtype=bool)
    centre(mask, 2 * lines, width)[:] = True
    found = calibration_shape(mask)
    assert found == ((2 * lines, min(width, 32)) if lines else (0, 0))
    assert centre(mask, *found).all()
