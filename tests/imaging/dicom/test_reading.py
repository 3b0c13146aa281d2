"""DICOM is read as hostile input, named when it is wrong, and compressed without losing a bit."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import JPEGLSLossless

from imaging.codec import compressed, file_bytes
from imaging.dicom import read_dataset, read_dicom
from imaging.dicom.deidentify import EMPTIED, deidentify
from imaging.errors import DecompressionBomb, NotDicom, PixelsUnsupported


def data_of(name: str) -> bytes:
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


CT = data_of("CT_small.dcm")


def test_ct_values_are_hounsfield_units() -> None:
    image = read_dicom(CT)
    assert (image.modality, image.pixels.shape, image.pixels.dtype) == ("CT", (1, 128, 128), np.int16)
    assert (image.slope, image.intercept) == (1.0, -1024.0)
    assert image.spacing_mm == pytest.approx((0.661468, 0.661468))
    np.testing.assert_array_equal(image.pixels[0], dcmread(BytesIO(CT)).pixel_array)


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ],
)
def test_every_lossless_transfer_syntax_gives_the_same_pixels(name) -> None:
    np.testing.assert_array_equal(read_dicom(data_of(name)).pixels, read_dicom(data_of("MR_small.dcm")).pixels)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "examples_overlay.dcm"])
def test_jpegls_is_smaller_and_lossless(name) -> None:
    original = read_dataset(data_of(name))
    smaller = read_dataset(file_bytes(compressed(original)))
    assert smaller.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert smaller.SOPInstanceUID == original.SOPInstanceUID
    assert len(smaller.PixelData) < 0.8 * len(original.PixelData)
    np.testing.assert_array_equal(smaller.pixel_array, original.pixel_array)


def test_what_cannot_be_made_smaller_is_left_alone() -> None:
    for name in ("MR_small_RLE.dcm", "examples_rgb_color.dcm"):
        dataset = read_dataset(data_of(name))
        assert compressed(dataset) is dataset


def test_colour_is_named() -> None:
    with pytest.raises(PixelsUnsupported):
        read_dicom(data_of("examples_rgb_color.dcm"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RescaleSlope", "nan"),
        ("RescaleIntercept", "inf"),
        ("WindowCenter", "-inf"),
        ("SOPInstanceUID", "1.2\0.3"),
        ("SeriesInstanceUID", "<script>"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_numbers_and_identifiers_that_are_none_are_named(name, value) -> None:
    dataset = dcmread(BytesIO(CT))
    dataset.WindowCenter, dataset.WindowWidth = "1", "1"
    setattr(dataset, name, value)
    with pytest.raises(NotDicom):
        read_dicom(file_bytes(dataset))


def test_truncated_pixels_are_named() -> None:
    with pytest.raises(NotDicom):
        read_dicom(data_of("MR_truncated.dcm"))
    with pytest.raises(NotDicom):
        read_dicom(CT[:3000])


@pytest.mark.parametrize("name", ["rtplan.dcm", "DICOMDIR"])
def test_file_without_an_image_is_named(name) -> None:
    with pytest.raises(NotDicom):
        read_dicom(data_of(name))


@given(data=st.binary(max_size=300))
@settings(max_examples=50)
def test_any_bytes_are_named(data) -> None:
    with pytest.raises(NotDicom):
        read_dicom(data)
    with pytest.raises(NotDicom):
        read_dicom(bytes(128) + b"DICM" + data)


@given(place=st.integers(132, 8000), value=st.integers(0, 255))
@settings(max_examples=80, deadline=None)
def test_mutated_file_is_read_or_named(place, value) -> None:
    mutated = bytearray(CT)
    mutated[place] = value
    try:
        image = read_dicom(bytes(mutated))
    except (NotDicom, PixelsUnsupported, DecompressionBomb):
        return
    assert image.pixels.ndim == 3
    assert image.window_width > 0


def test_direct_identifiers_are_gone_and_the_rest_is_there() -> None:
    dataset = read_dataset(CT)
    assert str(dataset.PatientName)
    deidentify(dataset)
    again = read_dataset(file_bytes(dataset))
    assert not any(str(again.get(keyword) or "") for keyword in EMPTIED)
    assert "InstitutionName" not in again
    assert not [element for element in again if element.tag.is_private]
    assert again.PatientIdentityRemoved == "YES"
    assert again.StudyInstanceUID == read_dataset(CT).StudyInstanceUID


def test_stack_is_ordered_by_place_not_by_number() -> None:
    folder = Path(str(get_testdata_file("dicomdirtests/98892003/MR700/4558", download=False))).parent
    images = [read_dicom(path.read_bytes()) for path in folder.iterdir()]
    places = [image.position_mm for image in images]
    assert None not in places
    assert len(set(places)) == len(images) == 7
