"""Lossless JPEG-LS (ISO 14495-1) for pixels inside DICOM: 2 to 3 times smaller, bit for bit the same.

DEFLATE alone, which the sealed study applies to everything, finds little in 16-bit pixels.
"""

from __future__ import annotations

import copy
import warnings
from io import BytesIO

import numpy as np
from pydicom import FileDataset
from pydicom.uid import JPEGLSLossless


def compressed(dataset: FileDataset) -> FileDataset:
    """Return `dataset` with JPEG-LS pixels where that is possible, smaller and proven lossless; else `dataset`
    itself."""
    if not _suitable(dataset):
        return dataset
    attempt = copy.deepcopy(dataset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attempt.compress(JPEGLSLossless, generate_instance_uid=False)
        lossless = np.array_equal(attempt.pixel_array, dataset.pixel_array)
    return attempt if lossless and len(attempt.PixelData) < len(dataset.PixelData) else dataset


def file_bytes(dataset: FileDataset) -> bytes:
    """Return the bytes of the DICOM file."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _suitable(dataset: FileDataset) -> bool:
    return (
        "PixelData" in dataset
        and not dataset.file_meta.TransferSyntaxUID.is_compressed
        and dataset.get("SamplesPerPixel", 1) == 1
        and dataset.get("BitsAllocated") in (8, 16)
    )
