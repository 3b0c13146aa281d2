"""Trees and proofs against published vectors, another implementation, and arbitrary sizes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.log.merkle import (
    EMPTY_ROOT,
    CompactRange,
    ProofRefused,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
)


class Kept:
    """All leaves in memory."""

    def __init__(self, leaves):
        self.levels = [list(leaves)]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])

    def node(self, level, index):
        return self.levels[level][index]


def leaves(count):
    return [leaf_hash(str(n).encode()) for n in range(count)]


def unpacked(text):
    return base64.b64decode(text) if text else b""


def cases(data_dir: Path, kind: str):
    found = sorted((data_dir / "vectors" / "merkle_proofs" / "testdata" / kind).rglob("*.json"))
    assert len(found) > 50
    return [json.loads(path.read_text()) for path in found]


def inclusion_holds(case) -> bool:
    try:
        verify_inclusion(
            leaf=unpacked(case["leafHash"]),
            index=case["leafIdx"],
            size=case["treeSize"],
            proof=[unpacked(item) for item in case["proof"] or []],
            root=unpacked(case["root"]),
        )
    except ProofRefused:
        return False
    return True


def consistency_holds(case) -> bool:
    try:
        verify_consistency(
            old=case["size1"],
            new=case["size2"],
            old_root=unpacked(case["root1"]),
            new_root=unpacked(case["root2"]),
            proof=[unpacked(item) for item in case["proof"] or []],
        )
    except ProofRefused:
        return False
    return True


@pytest.mark.parametrize(("kind", "holds"), [("inclusion", inclusion_holds), ("consistency", consistency_holds)])
def test_published_proofs_are_judged_as_published(data_dir, kind, holds) -> None:
    wrong = [case["desc"] for case in cases(data_dir, kind) if holds(case) == case["wantErr"]]
    assert not wrong


def _changed(text: str, place: int, bit: int) -> str:
    raw = bytearray(unpacked(text))
    raw[place] ^= 1 << bit
    return base64.b64encode(raw).decode()


def _mutants(case, hashes, numbers):
    """Yield the case with every byte of every hash changed, hashes gone, doubled, swapped, cut, and other numbers."""
    proof = case["proof"] or []
    for at, item in enumerate(proof):
        for place in range(32):
            yield {"proof": [*proof[:at], _changed(item, place, (at + place) % 8), *proof[at + 1 :]]}
        yield {"proof": [*proof[:at], *proof[at + 1 :]]}
        yield {"proof": [*proof[:at], item, *proof[at:]]}
        yield {"proof": [*proof[:at], base64.b64encode(unpacked(item)[:-1]).decode(), *proof[at + 1 :]]}
    if len(proof) > 1 and proof[0] != proof[1]:
        yield {"proof": [proof[1], proof[0], *proof[2:]]}
    for name in hashes:
        for place in range(len(unpacked(case[name]))):
            yield {name: _changed(case[name], place, place % 8)}
        yield {name: ""}
    for name in numbers:
        for value in (-1, 0, case[name] - 1, case[name] + 1, case[name] * 2, case[name] ^ 1, 1 << 62):
            if value != case[name]:
                yield {name: value}


def _way(case) -> object:
    """Return what the numbers of a case tell the verifier: the same way under other numbers is the same proof.

    The size itself is bound by the signature under the head, and not by a proof (RFC 9162, section 2.1).
    """
    if "treeSize" in case:
        inside = 0 <= case["leafIdx"] < case["treeSize"]
        return inside and _turns(case["leafIdx"], case["treeSize"])
    old, new = case["size1"], case["size2"]
    if not 0 < old < new:
        return (old, new)
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    return (old & (old - 1) == 0, _turns(place, last + 1))


def _turns(index: int, size: int) -> list[str]:
    """Return on which side each sibling stands, lowest first; RFC 9162, section 2.1.3.2."""
    turns, last = [], size - 1
    while last > 0:
        if index & 1:
            turns.append("left")
        elif index < last:
            turns.append("right")
        index, last = index >> 1, last >> 1
    return turns


@pytest.mark.parametrize(
    ("kind", "holds", "hashes", "numbers"),
    [
        ("inclusion", inclusion_holds, ("leafHash", "root"), ("leafIdx", "treeSize")),
        ("consistency", consistency_holds, ("root1", "root2"), ("size1", "size2")),
    ],
)
def test_published_proofs_with_anything_changed_fail(data_dir, kind, holds, hashes, numbers) -> None:
    good = [case for case in cases(data_dir, kind) if not case["wantErr"]]
    tried = 0
    for case in good:
        for mutant in _mutants(case, hashes, numbers):
            if mutant.keys() <= set(numbers) and _way({**case, **mutant}) == _way(case):
                continue
            tried += 1
            assert not holds({**case, **mutant}), (case["desc"], mutant)
    assert tried > 300


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    assert root_of([]) == EMPTY_ROOT


def test_another_implementation_finds_the_same_roots_and_accepts_our_proofs() -> None:
    from pymerkle import InmemoryTree

    most = 300
    other, ours = InmemoryTree(algorithm="sha256"), CompactRange()
    kept = Kept([leaf_hash(str(n).encode()) for n in range(1, most + 1)])
    roots = [EMPTY_ROOT]
    assert ours.root() == EMPTY_ROOT
    for n in range(1, most + 1):
        other.append_entry(str(n).encode())
        ours.append(leaf_hash(str(n).encode()))
        roots.append(other.get_root())
        assert ours.root() == root_at(kept, n) == roots[n]
    for old in range(1, most + 1, 7):
        theirs = other.prove_consistency(old, most)
        assert theirs.compute_root() == roots[most]
        path = consistency_proof(kept, old, most)
        verify_consistency(old=old, new=most, old_root=roots[old], new_root=roots[most], proof=path)
        assert other.prove_inclusion(old, most).compute_root() == roots[most]
        leaf = leaf_hash(str(old).encode())
        path = inclusion_proof(kept, old - 1, most)
        verify_inclusion(leaf=leaf, index=old - 1, size=most, proof=path, root=roots[most])


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.data())
def test_proofs_of_any_leaf_of_any_tree_hold_and_for_no_other_leaf(size, data) -> None:
    kept, index = Kept(leaves(size)), data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(kept, index, size)
    given_ = {"index": index, "size": size, "proof": proof, "root": root_at(kept, size)}
    verify_inclusion(leaf=kept.node(0, index), **given_)
    with pytest.raises(ProofRefused):
        verify_inclusion(leaf=leaf_hash(b"another"), **given_)
    with pytest.raises(ProofRefused):
        verify_inclusion(leaf=kept.node(0, index), **{**given_, "proof": [*proof, bytes(32)]})
    if size > 1:
        with pytest.raises(ProofRefused):
            verify_inclusion(leaf=kept.node(0, index), **{**given_, "index": (index + 1) % size})


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_a_tree_is_consistent_with_its_beginnings_and_with_no_fork(one, two, data) -> None:
    old, new = sorted((one, two))
    kept = Kept(leaves(new))
    proof = consistency_proof(kept, old, new)
    heads = {"old_root": root_at(kept, old), "new_root": root_at(kept, new)}
    verify_consistency(old=old, new=new, proof=proof, **heads)
    forked = leaves(new)
    forked[data.draw(st.integers(0, old - 1))] = leaf_hash(b"rewritten")
    other = Kept(forked)
    heads["new_root"] = root_at(other, new)
    with pytest.raises(ProofRefused):
        verify_consistency(old=old, new=new, proof=consistency_proof(other, old, new), **heads)
