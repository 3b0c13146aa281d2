"""The Merkle tree over the frames of a few seconds, in memory: the log's own hashing (RFC 6962) over few leaves."""

from __future__ import annotations

from collections.abc import Sequence

from compliance.log import merkle
from compliance.log.merkle import ProofRefused, leaf_hash, node_hash


class _Levels:
    """Every complete subtree over some leaves."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [[leaf_hash(leaf) for leaf in leaves]]
        while len(level := self._levels[-1]) > 1:
            pairs = zip(level[::2], level[1::2], strict=False)
            self._levels.append([node_hash(left, right) for left, right in pairs])

    def node(self, level: int, index: int) -> bytes:
        """Return the hash over leaves `index << level` up to, not including, `(index + 1) << level`."""
        return self._levels[level][index]


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over the leaves."""
    return merkle.root_of(leaf_hash(leaf) for leaf in leaves)


def path_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the inclusion proof of the leaf at `index`, lowest first. Raises ProofRefused when there is none."""
    return merkle.inclusion_proof(_Levels(leaves), index, len(leaves))


def leads_to(root: bytes, leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bool:
    """Tell whether a proof leads from a leaf to the root."""
    try:
        merkle.verify_inclusion(leaf=leaf_hash(leaf), index=index, size=size, proof=path, root=root)
    except ProofRefused:
        return False
    return True
