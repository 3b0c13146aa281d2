"""The small picture that stands for a series, made once by the worker."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from imaging.models import Instance, Series, Study
from imaging.services import archive
from imaging.services.pictures import as_grey, stack_of

SIDE = 160


def make(study: Study, series: Series, instances: Sequence[Instance]) -> None:
    """Archive a PNG of the middle image, in that image's own window."""
    ordered = sorted(instances, key=lambda row: (row.position_mm or 0.0, row.number))
    middle = ordered[len(ordered) // 2]
    stack = stack_of(middle)
    picture = Image.fromarray(as_grey(middle, stack[middle.frames // 2]))
    picture.thumbnail((SIDE, SIDE))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    archive.store(study, f"{series.pk}.png", buffer.getvalue())
