"""The Merkle tree of RFC 6962 section 2 (RFC 9162): hashes, proofs and their verification.

Proofs are made from any source of complete subtrees (`Subtrees`), so that a million leaves stay where they are stored.
Verification needs nothing but the proof; it is written as RFC 9162 sections 2.1.3.2 and 2.1.4.2 describe it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


class ProofRefused(ValueError):
    """A proof does not hold; the message says where."""


class Subtrees(Protocol):
    """Hashes of complete subtrees."""

    def node(self, level: int, index: int) -> bytes:
        """Return the hash over leaves `index << level` up to, not including, `(index + 1) << level`."""
        ...


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class CompactRange:
    """The roots of the complete subtrees of a tree's first `size` leaves, largest first: enough to go on appending."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Take one more leaf hash."""
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(self.peaks.pop(), node)
            size >>= 1
        self.peaks.append(node)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> CompactRange:
        """Take more leaf hashes, and return this range."""
        for leaf in leaves:
            self.append(leaf)
        return self

    def root(self) -> bytes:
        """Return the tree head."""
        return _folded(self.peaks)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the tree head over leaf hashes."""
    return CompactRange().extend(leaves).root()


def _folded(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    node = peaks[-1]
    for peak in reversed(peaks[:-1]):
        node = node_hash(peak, node)
    return node


# --- Making proofs ----------------------------------------------------------------------------------------------------


def root_at(tree: Subtrees, size: int) -> bytes:
    """Return the tree head over the first `size` leaves."""
    return _hash_of(tree, 0, size)


def inclusion_proof(tree: Subtrees, index: int, size: int) -> list[bytes]:
    """Return the hashes that lead from leaf `index` to the head of the first `size` leaves, lowest first.

    Raises ProofRefused when the leaf lies outside.
    """
    if not 0 <= index < size:
        raise ProofRefused(f"leaf {index} lies outside a tree of {size}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_hash_of(tree, middle, end))
            end = middle
        else:
            proof.append(_hash_of(tree, start, middle))
            start = middle
    return proof[::-1]


def consistency_proof(tree: Subtrees, old: int, new: int) -> list[bytes]:
    """Return the hashes that show the first `old` leaves unchanged in the first `new`.

    Raises ProofRefused when `old` is larger than `new`.
    """
    if not 0 <= old <= new:
        raise ProofRefused(f"a tree of {old} leaves cannot be the beginning of one of {new}")
    if old in {0, new}:
        return []
    return list(_subproof(tree, old, 0, new, True))


def _subproof(tree: Subtrees, old: int, start: int, end: int, whole: bool) -> Iterator[bytes]:
    """Yield SUBPROOF(old, D[start:end], whole) of RFC 6962 section 2.1.2, lowest first."""
    if old == end:
        if not whole:
            yield _hash_of(tree, start, end)
        return
    middle = start + _split(end - start)
    if old <= middle:
        yield from _subproof(tree, old, start, middle, whole)
        yield _hash_of(tree, middle, end)
    else:
        yield from _subproof(tree, old, middle, end, False)
        yield _hash_of(tree, start, middle)


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _hash_of(tree: Subtrees, start: int, end: int) -> bytes:
    """Return the hash over leaves `start` to `end`; `start` is a multiple of every power of two that fits."""
    peaks = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(tree.node(level, start >> level))
        start += 1 << level
    return _folded(peaks)


# --- Verifying them ---------------------------------------------------------------------------------------------------


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` (a leaf hash) is leaf `index` of the tree of `size` leaves with `root`.

    Raises ProofRefused.
    """
    if not 0 <= index < size:
        raise ProofRefused(f"leaf {index} lies outside a tree of {size}")
    if len(leaf) != HASH_BYTES:
        raise ProofRefused("the leaf's hash has the wrong length")
    place, last, node = index, size - 1, leaf
    for sibling in _hashes(proof):
        if last == 0:
            raise ProofRefused("the proof is too long")
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            place, last = _up(place, last)
        else:
            node = node_hash(node, sibling)
            place, last = place >> 1, last >> 1
    if last:
        raise ProofRefused("the proof is too short")
    if node != root:
        raise ProofRefused("the proof leads to another tree head")


def verify_consistency(*, old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `old` leaves with `old_root` is the beginning of that of `new` leaves with `new_root`.

    Raises ProofRefused.
    """
    if not 0 <= old <= new:
        raise ProofRefused(f"a tree of {old} leaves cannot be the beginning of one of {new}")
    if old == 0:
        raise ProofRefused("an empty tree is the beginning of every tree: there is nothing to prove")
    if old == new:
        if proof:
            raise ProofRefused("the proof is too long")
        if old_root != new_root:
            raise ProofRefused("two heads for one size")
        return
    path = _hashes(proof)
    if not path:
        raise ProofRefused("the proof is empty")
    if old & (old - 1) == 0:
        path = [old_root, *path]
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofRefused("the proof is too long")
        if place & 1 or place == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            place, last = _up(place, last)
        else:
            after = node_hash(after, sibling)
            place, last = place >> 1, last >> 1
    if last:
        raise ProofRefused("the proof is too short")
    if before != old_root:
        raise ProofRefused("the proof does not lead to the old tree head")
    if after != new_root:
        raise ProofRefused("the proof does not lead to the new tree head")


def _up(place: int, last: int) -> tuple[int, int]:
    """Climb from a right child, or from the last node of an odd level, past the levels on which it has no sibling."""
    while not place & 1 and place:
        place, last = place >> 1, last >> 1
    return place >> 1, last >> 1


def _hashes(proof: Sequence[bytes]) -> list[bytes]:
    if any(len(item) != HASH_BYTES for item in proof):
        raise ProofRefused("a hash of the proof has the wrong length")
    return list(proof)
