"""What the log is told when a study is opened or reconstructed: a root over its images, and which program made them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from imaging.evidence.leaves import ImageLeaf, root_over
from imaging.models import Instance

PROGRAM = Path(__file__).resolve().parents[1]  # the package that opens and reconstructs
LIBRARIES = ("numpy", "pydicom", "pyjpegls", "torch")
WORDS = ("sop_uid", "note")
COUNTS = ("number", "rows", "columns", "frames")
MEASURES = (
    "position_mm", "slope", "intercept", "window_centre", "window_width", "row_spacing_mm", "column_spacing_mm",
)  # fmt: skip
ANSWERS = ("signed", "inverted")


def leaf_of(image: Instance, *, file: bytes | None = None, mask: bytes | None = None) -> ImageLeaf:
    """Return what is committed to of an image; `file` and `mask` stand for digests that were taken anew."""
    said: dict[str, object] = {name: str(getattr(image, name)) for name in WORDS}
    said |= {name: int(getattr(image, name)) for name in COUNTS}
    said |= {name: bool(getattr(image, name)) for name in ANSWERS}
    for name in MEASURES:  # as the database gives them back, whatever a file's own kind of number was
        value = getattr(image, name)
        said[name] = None if value is None else float(value)
    return ImageLeaf(
        image=image.pk,
        file=bytes(image.file_sha256) if file is None else file,
        mask=bytes(image.mask_sha256) if mask is None else mask,
        pixels=bytes(image.pixels_sha256),
        said=said,
    )


def committed(images: Iterable[Instance]) -> dict[str, object]:
    """Return what an event says of the images that an act made."""
    leaves = [leaf_of(image) for image in images]
    return {"images": len(leaves), "root": root_over(leaves).hex(), "program": program_digest(), "with": libraries()}


@cache
def program_digest() -> str:
    """Return the SHA-256 over the source of the imaging package, file by file, in hexadecimal digits."""
    whole = sha256()
    for path in sorted(PROGRAM.rglob("*.py")):
        whole.update(path.relative_to(PROGRAM).as_posix().encode() + b"\0" + sha256(path.read_bytes()).digest())
    return whole.hexdigest()


@cache
def libraries() -> dict[str, str]:
    """Return the versions of what computes: the same program with other libraries may give other values."""
    return {name: found for name in LIBRARIES if (found := _version(name))}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
