"""Ascon-AEAD128: every backend against published answers and forgeries, and all of them against each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.errors import FrameForged
from devices.protocol import ascon
from devices.protocol.ascon import AeadBackend, backend, best_backend
from devices.protocol.ascon.numpy_batch import NumpyBackend

# The NumPy backend hands small batches to plain Python; here it has to work itself.
BACKENDS: list[AeadBackend] = [backend("python"), NumpyBackend(small_batch=0), backend("numba")]
each_backend = pytest.mark.parametrize("aead", BACKENDS, ids=lambda b: b.name)

Vector = tuple[bytes, bytes, bytes, bytes, bytes]


def _known_answers(data_dir: Path) -> list[Vector]:
    """Return (key, nonce, ad, plaintext, sealed) of the standard's 1089 known answers."""
    text = (data_dir / "vectors" / "ascon_aead128_kat.txt").read_text()
    found = []
    for record in text.strip().split("\n\n"):
        field = dict(line.split(" =", 1) for line in record.splitlines())
        found.append(tuple(bytes.fromhex(field[name]) for name in ("Key", "Nonce", "AD", "PT", "CT")))
    return found  # type: ignore[return-value]


def _wycheproof(data_dir: Path, result: str) -> list[Vector]:
    suite = json.loads((data_dir / "vectors" / "wycheproof_ascon_aead128.json").read_text())
    tests = [test for group in suite["testGroups"] for test in group["tests"] if test["result"] == result]
    names = ("key", "iv", "aad", "msg", "ct", "tag")
    fields = [[bytes.fromhex(test[name]) for name in names] for test in tests]
    return [(key, iv, aad, msg, ct + tag) for key, iv, aad, msg, ct, tag in fields]


@each_backend
def test_known_answers_of_the_standard(aead: AeadBackend, data_dir: Path) -> None:
    keys, nonces, ads, plaintexts, sealed = zip(*_known_answers(data_dir), strict=True)
    assert len(keys) == 1089
    assert aead.seal_batch(keys, nonces, ads, plaintexts) == list(sealed)
    assert aead.open_batch(keys, nonces, ads, sealed) == list(plaintexts)


@each_backend
def test_wycheproof_valid_vectors_open(aead: AeadBackend, data_dir: Path) -> None:
    keys, nonces, ads, plaintexts, sealed = zip(*_wycheproof(data_dir, "valid"), strict=True)
    assert aead.seal_batch(keys, nonces, ads, plaintexts) == list(sealed)
    assert aead.open_batch(keys, nonces, ads, sealed) == list(plaintexts)


@each_backend
def test_wycheproof_forgeries_are_refused(aead: AeadBackend, data_dir: Path) -> None:
    keys, nonces, ads, _, sealed = zip(*_wycheproof(data_dir, "invalid"), strict=True)
    assert len(keys) > 50
    assert aead.open_batch(keys, nonces, ads, sealed) == [None] * len(keys)


block16 = st.binary(min_size=16, max_size=16)
frames = st.tuples(block16, block16, st.binary(max_size=50), st.binary(max_size=100))


@settings(deadline=None)
@given(st.lists(frames, max_size=12))
def test_backends_agree_on_mixed_lengths(batch: list[tuple[bytes, bytes, bytes, bytes]]) -> None:
    columns = [list(column) for column in zip(*batch, strict=True)] or [[], [], [], []]
    sealed = [aead.seal_batch(*columns) for aead in BACKENDS]
    assert sealed[0] == sealed[1] == sealed[2]
    for aead in BACKENDS:
        assert aead.open_batch(*columns[:3], sealed[0]) == columns[3]


@settings(deadline=None)
@given(st.lists(frames, min_size=1, max_size=6), st.data())
def test_one_flipped_bit_refuses_that_frame_alone(
    batch: list[tuple[bytes, bytes, bytes, bytes]], data: st.DataObject
) -> None:
    keys, nonces, ads, plaintexts = (list(column) for column in zip(*batch, strict=True))
    sealed = backend("python").seal_batch(keys, nonces, ads, plaintexts)
    victim = data.draw(st.integers(0, len(batch) - 1))
    column = data.draw(st.sampled_from([c for c in (keys, nonces, ads, sealed) if c[victim]]))
    bit = data.draw(st.integers(0, 8 * len(column[victim]) - 1))
    changed = bytearray(column[victim])
    changed[bit // 8] ^= 1 << bit % 8
    column[victim] = bytes(changed)
    expected = [None if i == victim else text for i, text in enumerate(plaintexts)]
    for aead in BACKENDS:
        assert aead.open_batch(keys, nonces, ads, sealed) == expected


@each_backend
@pytest.mark.parametrize("size", range(16))
def test_text_shorter_than_a_tag_is_refused(aead: AeadBackend, size: int) -> None:
    good = aead.seal(bytes(16), bytes(16), b"", b"next")
    found = aead.open_batch([bytes(16)] * 2, [bytes(16)] * 2, [b"", b""], [good[:size], good])
    assert found == [None, b"next"]


@each_backend
def test_single_frame_forms_seal_open_and_refuse(aead: AeadBackend) -> None:
    aead.warm()
    sealed = aead.seal(b"k" * 16, b"n" * 16, b"header", b"payload")
    assert aead.open(b"k" * 16, b"n" * 16, b"header", sealed) == b"payload"
    with pytest.raises(FrameForged):
        aead.open(b"k" * 16, b"n" * 16, b"Header", sealed)


@each_backend
def test_wrong_sizes_are_refused(aead: AeadBackend) -> None:
    for keys, nonces, ads in (([bytes(15)], [bytes(16)], [b""]), ([bytes(16)], [b""], [b""]), ([bytes(16)], [], [])):
        with pytest.raises(ValueError, match=r"16 bytes|for each frame"):
            aead.seal_batch(keys, nonces, ads, [b""])  # type: ignore[arg-type]


def test_refused_plaintext_is_zeroed_in_the_compiled_buffer() -> None:
    import numpy as np

    from devices.protocol.ascon import numba_batch as compiled

    sealed = bytearray(backend("python").seal(bytes(16), bytes(16), b"", b"secret " * 5))
    sealed[-1] ^= 1
    texts = np.frombuffer(bytes(sealed), np.uint8)
    out, good = np.full(len(texts), 7, np.uint8), np.zeros(1, np.uint8)
    block, none = np.zeros(16, np.uint8), np.zeros(0, np.uint8)
    ends = np.array([0], np.int64), np.array([len(texts)], np.int64)
    compiled._open_all(block, block, none, ends[0], texts, ends[1], out, good)
    assert not good[0]
    assert not out[:-16].any()


def test_small_batches_take_the_plain_way_and_agree() -> None:
    columns = [[bytes([i]) * 16 for i in range(20)]] * 4
    assert NumpyBackend().seal_batch(*columns) == NumpyBackend(small_batch=99).seal_batch(*columns)


@pytest.mark.parametrize(("absent", "best"), [((), "numba"), (("numba",), "numpy"), (("numba", "numpy"), "python")])
def test_best_backend_is_the_fastest_that_is_installed(
    absent: tuple[str, ...], best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ascon, "find_spec", lambda name: None if name in absent else object())
    assert best_backend().name == best
