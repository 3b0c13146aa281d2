"""The way from an entry to the signed head, laid out for drawing: own nodes up the middle, given hashes beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compliance.log.merkle import node_hash

WIDTH, STEP, TOP = 340, 62, 34
BOX_W, BOX_H = 92, 26
MIDDLE, LEFT, RIGHT = WIDTH // 2, 6 + BOX_W // 2, WIDTH - 6 - BOX_W // 2
SHOWN = 10  # characters of a hash


@dataclass(frozen=True, slots=True)
class Box:
    """One hash in the picture. x, y: its middle; kind: own, given, leaf or head."""

    x: int
    y: int
    kind: str
    hex: str
    label: str

    @property
    def short(self) -> str:
        """The beginning of the hash."""
        return self.hex[:SHOWN]

    @property
    def corner(self) -> tuple[float, float]:
        """Where its rectangle begins."""
        return self.x - BOX_W / 2, self.y - BOX_H / 2

    @property
    def label_y(self) -> int:
        """Where its words stand: above the head, where no line begins."""
        return self.y - BOX_H // 2 - 6 if self.kind == "head" else self.y + BOX_H // 2 + 12


@dataclass(frozen=True, slots=True)
class Tree:
    """Boxes from the head down, and the lines between them."""

    boxes: tuple[Box, ...]
    lines: tuple[tuple[int, int, int, int], ...]
    height: int
    width: int = WIDTH
    box_w: int = BOX_W
    box_h: int = BOX_H

    @property
    def given(self) -> list[Box]:
        """The hashes of the proof, lowest first."""
        return [box for box in reversed(self.boxes) if box.kind == "given"]


def siblings(index: int, size: int) -> list[tuple[int, int]]:
    """Return the ranges of leaves that the hashes of an inclusion proof stand for, lowest first."""
    start, end, found = 0, size, []
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def drawn(*, leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> Tree:
    """Return the picture of an inclusion proof."""
    bottom = TOP + STEP * len(path)
    node = leaf
    boxes = [Box(MIDDLE, bottom, "leaf" if path else "head", leaf.hex(), f"entry {index}")]
    lines = []
    for level, (sibling, (start, end)) in enumerate(zip(path, siblings(index, size), strict=True), start=1):
        left = start < index
        x, y = (LEFT if left else RIGHT), bottom - STEP * (level - 1)
        boxes.append(Box(x, y, "given", sibling.hex(), _leaves(start, end)))
        node = node_hash(sibling, node) if left else node_hash(node, sibling)
        top = level == len(path)
        boxes.append(Box(MIDDLE, y - STEP, "head" if top else "own", node.hex(), f"head of {size}" if top else ""))
        lines += [
            (MIDDLE, y - BOX_H // 2, MIDDLE, y - STEP + BOX_H // 2),
            (x, y - BOX_H // 2, MIDDLE, y - STEP + BOX_H // 2),
        ]
    return Tree(tuple(reversed(boxes)), tuple(lines), bottom + BOX_H // 2 + 20)


def _leaves(start: int, end: int) -> str:
    return f"entry {start}" if end - start == 1 else f"{start} to {end - 1}"
