"""The tree over frames: every leaf's proof leads to the root, and nothing else does."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.log.merkle import ProofRefused
from devices.evidence.tree import leads_to, path_of, root_of

some_leaves = st.lists(st.binary(max_size=64), min_size=1, max_size=40)


def rfc_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, to the letter."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + rfc_root(leaves[:split]) + rfc_root(leaves[split:])).digest()


@given(some_leaves)
def test_the_root_is_that_of_the_standard(leaves):
    assert root_of(leaves) == rfc_root(leaves)


def test_the_root_of_nothing_is_the_hash_of_nothing():
    assert root_of([]) == sha256().digest()


@given(some_leaves, st.data())
def test_a_proof_leads_from_its_leaf_to_the_root_and_from_no_other(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path = root_of(leaves), path_of(leaves, index)
    assert leads_to(root, leaves[index], index, len(leaves), path)
    assert not leads_to(root, leaves[index] + b"x", index, len(leaves), path)
    assert not leads_to(root, leaves[index], index, len(leaves), [*path, bytes(32)])
    assert not leads_to(bytes(32), leaves[index], index, len(leaves), path)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_place_outside_the_tree_has_no_proof(index):
    with pytest.raises(ProofRefused):
        path_of([b"a", b"b", b"c"], index)
    assert not leads_to(root_of([b"a"]), b"a", index, 3, [])
