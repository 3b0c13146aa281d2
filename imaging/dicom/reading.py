"""From the bytes of a DICOM file (PS3.10) to 16-bit pixels and the few attributes that the viewer needs.

Runs in workers only: a web process never parses a file that came from outside.
"""

from __future__ import annotations

import math
import re
import struct
import warnings
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from imaging.errors import DecompressionBomb, NotDicom, PixelsUnsupported

MAX_PIXELS = 1 << 27  # of one file: 1024 frames of 362 x 362, say
UID = re.compile(r"[0-9.]{1,64}")  # PS3.5 chapter 9
TRANSFER_SYNTAX = b"\x02\x00\x10\x00UI"


@dataclass(frozen=True, slots=True)
class DicomImage:
    """One file. `pixels` (frame, row, column) are int16 or uint16; the quantity is pixel * slope + intercept."""

    study_uid: str
    series_uid: str
    sop_uid: str
    modality: str
    study_description: str
    series_description: str
    series_number: int
    number: int
    position_mm: float | None
    taken_on: date | None
    pixels: NDArray[np.int16] | NDArray[np.uint16]
    slope: float
    intercept: float
    window_centre: float
    window_width: float
    inverted: bool
    spacing_mm: tuple[float, float] | None  # row, column


def looks_like_dicom(head: bytes) -> bool:
    """Tell whether the first 132 bytes are a DICOM file's preamble and prefix."""
    return head[128:132] == b"DICM"


def read_dataset(data: bytes) -> FileDataset:
    """Return the parsed file; raise NotDicom, or DecompressionBomb for a transfer syntax that inflates without
    limit."""
    if not looks_like_dicom(data[:132]):
        raise NotDicom
    if _transfer_syntax(data) == DeflatedExplicitVRLittleEndian:
        # pydicom inflates such a file whole, at whatever size it unpacks to, before anything can be checked.
        raise DecompressionBomb("Deflated DICOM files are not accepted: their size is unknown until they are unpacked.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # real scanners' files are full of harmless oddities
        try:
            dataset = dcmread(BytesIO(data))
            dataset.decode()
        except Exception as error:  # a parser fed with hostile bytes fails in any way it likes
            raise NotDicom from error
    return dataset


def read_dicom(data: bytes) -> DicomImage:
    """Return the image in a DICOM file.

    Raises NotDicom, PixelsUnsupported (colour, floats, over 16 bits) or DecompressionBomb (over MAX_PIXELS).
    """
    dataset = read_dataset(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _image(dataset)
        except (NotDicom, PixelsUnsupported, DecompressionBomb):
            raise
        except Exception as error:  # decoders raise whatever they meet
            raise NotDicom(f"The image cannot be decoded ({type(error).__name__}).") from error


def _image(dataset: FileDataset) -> DicomImage:
    pixels = _pixels(dataset)
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    centre, width = _window(dataset, pixels, slope, intercept)
    if not all(map(math.isfinite, (slope, intercept, centre, width))):
        raise NotDicom("The image's scale or window is not a number.")
    return DicomImage(
        study_uid=_required_uid(dataset, "StudyInstanceUID"),
        series_uid=_required_uid(dataset, "SeriesInstanceUID"),
        sop_uid=_required_uid(dataset, "SOPInstanceUID"),
        modality=_text(dataset, "Modality", 16),
        study_description=_text(dataset, "StudyDescription", 120),
        series_description=_text(dataset, "SeriesDescription", 120),
        series_number=_integer(dataset, "SeriesNumber"),
        number=_integer(dataset, "InstanceNumber"),
        position_mm=_position_mm(dataset),
        taken_on=_date(dataset),
        pixels=pixels,
        slope=slope,
        intercept=intercept,
        window_centre=centre,
        window_width=width,
        inverted=dataset.get("PhotometricInterpretation") == "MONOCHROME1",
        spacing_mm=_spacing_mm(dataset),
    )


def _pixels(dataset: FileDataset) -> NDArray[np.int16] | NDArray[np.uint16]:
    if "PixelData" not in dataset:
        raise NotDicom("The file holds no image.")
    if dataset.get("SamplesPerPixel", 1) != 1 or dataset.BitsAllocated not in (8, 16):
        raise PixelsUnsupported
    if dataset.Rows * dataset.Columns * int(dataset.get("NumberOfFrames") or 1) > MAX_PIXELS:
        raise DecompressionBomb(f"The image declares more than {MAX_PIXELS} pixels.")
    array = dataset.pixel_array
    frames = array.reshape(-1, dataset.Rows, dataset.Columns)
    return frames.astype(np.int16) if frames.dtype.kind == "i" else frames.astype(np.uint16)


def _window(dataset: FileDataset, pixels: NDArray[Any], slope: float, intercept: float) -> tuple[float, float]:
    """Return the file's first window (centre, width) or one that spans the 1st to 99.5th percentile."""
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if centre is not None and width is not None and width >= 1:
        return centre, width
    low, high = np.percentile(pixels, [1, 99.5]) * slope + intercept
    return float(low + high) / 2, max(float(abs(high - low)), 1e-6)


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    single = value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value
    return float(single)


def _position_mm(dataset: FileDataset) -> float | None:
    """Return the place along the slice normal (PS3.3 C.7.6.2.1.1), which orders a stack better than its numbers do."""
    position, orientation = dataset.get("ImagePositionPatient"), dataset.get("ImageOrientationPatient")
    if not position or not orientation or len(position) != 3 or len(orientation) != 6:
        return None
    axes = np.array([float(value) for value in orientation])
    place = float(np.dot(np.cross(axes[:3], axes[3:]), [float(value) for value in position]))
    return place if np.isfinite(place) else None


def _spacing_mm(dataset: FileDataset) -> tuple[float, float] | None:
    spacing = dataset.get("PixelSpacing")
    if not spacing or len(spacing) != 2:
        return None
    row, column = float(spacing[0]), float(spacing[1])
    return (row, column) if 0 < row < math.inf and 0 < column < math.inf else None


def _date(dataset: FileDataset) -> date | None:
    try:
        return datetime.strptime(str(dataset.get("StudyDate", "")), "%Y%m%d").date()  # noqa: DTZ007 (a date only)
    except ValueError:
        return None


def _text(dataset: FileDataset, name: str, length: int) -> str:
    return "".join(char for char in str(dataset.get(name) or "") if char.isprintable())[:length]


def _integer(dataset: FileDataset, name: str) -> int:
    value = dataset.get(name)
    number = int(value) if value not in (None, "") else 0
    return max(-(2**31), min(2**31 - 1, number))


def _required_uid(dataset: FileDataset, name: str) -> str:
    uid = str(dataset.get(name) or "")
    if not UID.fullmatch(uid):
        raise NotDicom(f"The file has no {name}.")
    return uid


def _transfer_syntax(data: bytes) -> str:
    """Return the transfer syntax by walking group 2 (explicit VR little endian, PS3.10 section 7.1)."""
    place = 132
    while data[place : place + 2] == b"\x02\x00":
        long_form = data[place + 4 : place + 6] in (b"OB", b"UN", b"UT", b"OW", b"SQ")
        header = 12 if long_form else 8
        if len(data) < place + header:
            break
        length = struct.unpack_from("<I" if long_form else "<H", data, place + header - (4 if long_form else 2))[0]
        if data[place : place + 6] == TRANSFER_SYNTAX:
            return data[place + header : place + header + length].rstrip(b"\0 ").decode("ascii", "replace")
        place += header + length
    return ""
