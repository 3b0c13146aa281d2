"""Archived pixels as a person sees them: 8-bit grey in the image's own window."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from imaging.models import Instance
from imaging.services import archive


def stack_of(image: Instance) -> NDArray[np.int16] | NDArray[np.uint16]:
    """Return the stored values: [frames, rows, columns]. Raises ArchiveDamaged."""
    raw = zlib.decompress(archive.load_pixels(image.series.study, str(image.pk)))
    return np.frombuffer(raw, "<i2" if image.signed else "<u2").reshape(image.frames, image.rows, image.columns)


def as_grey(image: Instance, frame: NDArray[np.int16] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return one frame through the image's window: uint8[rows, columns]."""
    low = image.window_centre - image.window_width / 2
    grey = np.clip((frame * image.slope + image.intercept - low) / image.window_width, 0, 1)
    shown: NDArray[np.uint8] = np.round(255 * (1 - grey if image.inverted else grey)).astype(np.uint8)
    return shown
