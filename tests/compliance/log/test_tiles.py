"""A tree kept in tiles is the tree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.log.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from compliance.log.tiles import TiledTree, TileMissing, appended, path_of


class Shelf(dict):
    def tile(self, level, number):
        return self.get((level, number), b"")


LEAVES = [leaf_hash(bytes([n % 256, n // 256 % 256, n // 65536])) for n in range(70_000)]


def filled(*groups) -> Shelf:
    shelf, size = Shelf(), 0
    for count in groups:
        shelf.update(appended(shelf, size, LEAVES[size : size + count]))
        size += count
    return shelf


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=5))
def test_however_leaves_arrive_the_tree_is_the_same(groups) -> None:
    size = sum(groups)
    assert root_at(TiledTree(filled(*groups)), size) == root_of(LEAVES[:size])


def test_proofs_from_tiles_hold_over_three_levels() -> None:
    shelf, size = filled(70_000), 70_000
    tree = TiledTree(shelf)
    root = root_at(tree, size)
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        proof = inclusion_proof(tree, index, size)
        verify_inclusion(leaf=LEAVES[index], index=index, size=size, proof=proof, root=root)
    for old in (1, 256, 65_536, 65_537, 69_999):
        proof = consistency_proof(tree, old, size)
        verify_consistency(old=old, new=size, old_root=root_of(LEAVES[:old]), new_root=root, proof=proof)


def test_a_tile_that_lost_hashes_is_told() -> None:
    shelf = filled(300)
    shelf[0, 1] = shelf[0, 1][:32]
    with pytest.raises(TileMissing):
        root_at(TiledTree(shelf), 300)
    with pytest.raises(TileMissing):
        appended(shelf, 300, LEAVES[:1])


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 7, 256, "tile/0/007"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (1, 0, 17, "tile/1/000.p/17"),
    ],
)
def test_paths_are_those_of_the_specification(level, number, width, path) -> None:
    assert path_of(level, number, width) == path
