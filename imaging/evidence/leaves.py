"""An image as one leaf of a tree: its files, its pixels, and everything that pages say of it.

A slope or a spacing that is changed changes every number that is read off an image, so that the words count as much as
the pixels. The tree is that of the frames (RFC 6962); its root stands in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from compliance.log.records import canonical
from devices.evidence.tree import root_of

LABEL = b"medtwin/image/1\n"
NOTHING = bytes(32)  # stands for a file that an image of this kind has not


@dataclass(frozen=True, slots=True)
class ImageLeaf:
    """What is committed to of one image. Digests are SHA-256, or empty where there is no such file.

    file: as archived, the DICOM file or the k-space; mask: the sampling mask; pixels: the values that are shown, 16-bit
    little-endian. said: rows, slope, spacing, note and the like.
    """

    image: UUID
    file: bytes
    mask: bytes
    pixels: bytes
    said: Mapping[str, object]

    @property
    def words(self) -> str:
        """What is said of the image, in the form that is hashed (RFC 8785)."""
        return canonical(self.said)

    @property
    def raw(self) -> bytes:
        """The leaf: label || image || file || mask || pixels || SHA-256 of the words."""
        digests = [digest or NOTHING for digest in (self.file, self.mask, self.pixels)]
        return LABEL + self.image.bytes + b"".join(digests) + sha256(self.words.encode()).digest()

    @property
    def kept(self) -> bool:
        """Tell whether any digest was kept: images from before that have none."""
        return bool(self.file or self.pixels)


def in_order(leaves: Sequence[ImageLeaf]) -> list[ImageLeaf]:
    """Return leaves in the order of the tree: by identifier."""
    return sorted(leaves, key=lambda leaf: leaf.image.bytes)


def root_over(leaves: Sequence[ImageLeaf]) -> bytes:
    """Return the root over the leaves, in the order of the tree."""
    return root_of([leaf.raw for leaf in in_order(leaves)])
