"""The small picture that stands for a series, made once by the worker."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image

from imaging.models import Instance, Series, Study
from imaging.services import archive

SIDE = 160


def make(study: Study, series: Series, instances: Sequence[Instance]) -> None:
    """Archive a PNG of the middle image, in that image's own window."""
    ordered = sorted(instances, key=lambda row: (row.position_mm or 0.0, row.number))
    middle = ordered[len(ordered) // 2]
    raw = zlib.decompress(archive.load_pixels(study, str(middle.pk)))
    stack = np.frombuffer(raw, "<i2" if middle.signed else "<u2").reshape(middle.frames, middle.rows, middle.columns)
    values = stack[middle.frames // 2] * middle.slope + middle.intercept
    low = middle.window_centre - middle.window_width / 2
    grey = np.clip((values - low) / middle.window_width, 0, 1)
    picture = Image.fromarray(np.round(255 * (1 - grey if middle.inverted else grey)).astype(np.uint8))
    picture.thumbnail((SIDE, SIDE))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    archive.store(study, f"{series.pk}.png", buffer.getvalue())
