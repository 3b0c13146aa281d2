"""The tree in tiles of 256 hashes (C2SP tlog-tiles), so that a proof reads three small blobs, not a million leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from compliance.log.merkle import HASH_BYTES, node_hash

HEIGHT = 8  # levels in a tile
WIDTH = 1 << HEIGHT


class TileMissing(LookupError):
    """The tree should hold this tile and does not, or holds less of it."""


class TileSource(Protocol):
    """Where tiles are kept."""

    def tile(self, level: int, number: int) -> bytes:
        """Return the hashes of a tile, back to back; nothing for one that does not exist."""
        ...


class TiledTree:
    """Subtrees from tiles. Tiles read once are kept for the life of this object."""

    def __init__(self, source: TileSource) -> None:
        self._source = source
        self._kept: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree. Raises TileMissing."""
        row, inner = divmod(level, HEIGHT)
        first = index << inner
        number, place = divmod(first, WIDTH)
        tile = self._tile(row, number)
        end = (place + (1 << inner)) * HASH_BYTES
        if len(tile) < end:
            raise TileMissing(f"tile {row}/{number} holds {len(tile) // HASH_BYTES} hashes")
        hashes = [tile[at : at + HASH_BYTES] for at in range(place * HASH_BYTES, end, HASH_BYTES)]
        while len(hashes) > 1:
            hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
        return hashes[0]

    def _tile(self, level: int, number: int) -> bytes:
        if (level, number) not in self._kept:
            self._kept[level, number] = self._source.tile(level, number)
        return self._kept[level, number]


def appended(source: TileSource, size: int, leaves: Iterable[bytes]) -> Mapping[tuple[int, int], bytes]:
    """Return the tiles that change when `leaves` (hashes) follow the first `size`: (level, number) -> hashes."""
    changed: dict[tuple[int, int], bytearray] = {}
    level, fresh, before = 0, list(leaves), size
    while fresh:
        full = _fill(source, changed, level, before, fresh)
        level, before, fresh = level + 1, before // WIDTH, full
    return {place: bytes(tile) for place, tile in changed.items()}


def _fill(
    source: TileSource, changed: dict[tuple[int, int], bytearray], level: int, before: int, fresh: list[bytes]
) -> list[bytes]:
    """Put hashes into the tiles of one level and return the roots of those that became full."""
    roots = []
    for at, leaf in enumerate(fresh, start=before):
        number, place = divmod(at, WIDTH)
        tile = changed.get((level, number))
        if tile is None:
            tile = changed[level, number] = bytearray(source.tile(level, number) if place else b"")
            if len(tile) < place * HASH_BYTES:
                raise TileMissing(f"tile {level}/{number} holds {len(tile) // HASH_BYTES} hashes, not {place}")
            del tile[place * HASH_BYTES :]
        tile += leaf
        if place == WIDTH - 1:
            roots.append(_root(tile))
    return roots


def _root(tile: bytearray) -> bytes:
    hashes = [bytes(tile[at : at + HASH_BYTES]) for at in range(0, len(tile), HASH_BYTES)]
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


def path_of(level: int, number: int, width: int = WIDTH) -> str:
    """Return a tile's path: `tile/0/x001/234`, with `.p/<width>` where it is not full yet."""
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.insert(0, f"x{number % 1000:03d}")
    return f"tile/{level}/{'/'.join(parts)}" + (f".p/{width}" if width < WIDTH else "")
