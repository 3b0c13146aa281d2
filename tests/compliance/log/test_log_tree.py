"""The picture of a proof ends at the root that the proof leads to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from compliance.log.merkle import inclusion_proof, leaf_hash, node_hash, root_at
from compliance.views.log_tree import WIDTH, drawn, siblings


class Kept:
    def node(self, level: int, index: int) -> bytes:
        if level == 0:
            return leaf_hash(b"%d" % index)
        return node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))


@given(st.data())
def test_the_picture_ends_at_the_root_and_stays_inside(data) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    tree = Kept()
    path = inclusion_proof(tree, index, size)
    picture = drawn(leaf=tree.node(0, index), index=index, size=size, path=path)
    assert picture.boxes[0].hex == root_at(tree, size).hex()
    assert [box.hex for box in picture.given] == [item.hex() for item in path]
    assert all(46 <= box.x <= WIDTH - 46 and 13 <= box.y <= picture.height - 13 for box in picture.boxes)


def test_siblings_are_the_rest_of_the_tree() -> None:
    assert siblings(0, 1) == []
    assert siblings(5, 7) == [(4, 5), (6, 7), (0, 4)]
    covered = [leaf for start, end in siblings(11, 1000) for leaf in range(start, end)]
    assert sorted([*covered, 11]) == list(range(1000))
