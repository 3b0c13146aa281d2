"""A sealed study opens whole and for the right hospital, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from uuid import uuid4

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging.errors import (
    ChunkMissing,
    DecompressionBomb,
    StudyAltered,
    StudyKeyWrong,
    StudyMalformed,
    StudySignerWrong,
)
from imaging.sealing import Entry, Manifest, OpeningKey, Sealing, chunks, open_study, read_manifest, seal_study
from imaging.sealing.manifest import sign
from imaging.sealing.package import pack, packed_bytes, unpack
from imaging.sealing.squeeze import deflate, inflate

HOSPITAL = OpeningKey(bytes(range(32)))
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = SIGNER.public_key().public_bytes_raw()
FILES = [Entry("a.dcm", os.urandom(3_000_000)), Entry("b.dcm", b""), Entry("c.npy", b"x" * 70_000)]


def sealing(**changes: object) -> Sealing:
    base = Sealing(uuid4(), 7, SIGNER, HOSPITAL.public_bytes, "dicom", 1_790_000_000.0)
    return replace(base, **changes)


def sealed(entries: list[Entry] = FILES, **changes: object) -> tuple[Manifest, list[bytes]]:
    pieces: list[bytes] = []
    sizes = [(entry.name, len(entry.data)) for entry in entries]
    manifest = seal_study(sealing(**changes), sizes, entries, lambda _, piece: pieces.append(piece))
    return manifest, pieces


def opened(manifest: Manifest, pieces: list[bytes], key: OpeningKey = HOSPITAL) -> list[Entry]:
    return list(open_study(manifest, pieces, key))


def test_study_comes_back_bit_for_bit() -> None:
    manifest, pieces = sealed()
    assert len(pieces) == 3
    assert opened(manifest, pieces) == FILES


@pytest.mark.parametrize("where", [0, 100, -1])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_flipped_bit_is_refused(index: int, where: int) -> None:
    manifest, pieces = sealed()
    changed = bytearray(pieces[index])
    changed[where] ^= 1
    pieces[index] = bytes(changed)
    with pytest.raises(StudyAltered):
        opened(manifest, pieces)


def test_flipped_bit_is_refused_even_when_the_manifest_names_it() -> None:
    manifest, pieces = sealed()
    pieces[1] = bytes([pieces[1][0] ^ 1]) + pieces[1][1:]
    with pytest.raises(StudyAltered, match="does not open"):
        opened(_rehashed(manifest, pieces), pieces)


def test_reordered_pieces_are_refused() -> None:
    manifest, pieces = sealed()
    pieces[0], pieces[1] = pieces[1], pieces[0]
    with pytest.raises(StudyAltered, match="Piece 0"):
        opened(_rehashed(manifest, pieces), pieces)


def test_missing_piece_is_named() -> None:
    manifest, pieces = sealed()
    with pytest.raises(ChunkMissing, match="1 of 3"):
        opened(manifest, pieces[:-1])


def test_cut_off_study_is_refused_even_when_the_manifest_claims_fewer_pieces() -> None:
    manifest, pieces = sealed()
    with pytest.raises(StudyAltered):
        opened(_rehashed(manifest, pieces[:-1]), pieces[:-1])


def test_other_hospital_cannot_open() -> None:
    manifest, pieces = sealed()
    with pytest.raises(StudyKeyWrong):
        opened(manifest, pieces, OpeningKey(b"\x07" * 32))


def test_key_wrapped_for_one_study_does_not_open_another() -> None:
    manifest, pieces = sealed()
    with pytest.raises(StudyKeyWrong):
        opened(msgspec.structs.replace(manifest, study=uuid4()), pieces)


def test_bomb_stops_at_its_declared_size() -> None:
    entries = [Entry("bomb.dcm", bytes(64 << 20))]
    pieces: list[bytes] = []
    manifest = seal_study(sealing(), [("bomb.dcm", 100)], entries, lambda _, piece: pieces.append(piece))
    with pytest.raises(DecompressionBomb, match="declared"):
        opened(manifest, pieces)


def test_honestly_declared_bomb_is_refused_by_its_ratio() -> None:
    manifest, pieces = sealed([Entry("bomb.dcm", bytes(64 << 20))])
    with pytest.raises(DecompressionBomb, match="times its size"):
        opened(manifest, pieces)


def test_manifest_of_another_signer_is_refused() -> None:
    manifest, _ = sealed()
    raw = manifest.encode()
    other = Ed25519PrivateKey.generate()
    with pytest.raises(StudySignerWrong):
        read_manifest(raw, sign(raw, other), PUBLIC)


def test_manifest_round_trip_and_any_flipped_bit() -> None:
    manifest, _ = sealed(patient=uuid4(), urgency="stat")
    raw = manifest.encode()
    signature = sign(raw, SIGNER)
    assert read_manifest(raw, signature, PUBLIC) == manifest
    for place in range(0, len(raw), 97):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(StudySignerWrong):
            read_manifest(bytes(changed), signature, PUBLIC)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "medtwin/sealed-study/2"},
        {"extra": 1},
        {"package_bytes": 1 << 50},
        {"files": 0},
        {"study": "no uuid"},
        {"chunks": []},
        {"chunks": ["zz"]},
        {"wrapped_key": "xyz"},
    ],
)
def test_signed_but_wrong_manifest_is_refused(change: dict[str, object]) -> None:
    fields = json.loads(sealed()[0].encode()) | change
    raw = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(StudyMalformed):
        read_manifest(raw, sign(raw, SIGNER), PUBLIC)


def test_manifest_in_another_spelling_is_refused() -> None:
    raw = json.dumps(json.loads(sealed()[0].encode()), indent=1).encode()
    with pytest.raises(StudyMalformed, match="canonical"):
        read_manifest(raw, sign(raw, SIGNER), PUBLIC)


def test_deeply_nested_manifest_is_refused() -> None:
    raw = b'{"x":' + b"[" * 100_000
    with pytest.raises(StudyMalformed):
        read_manifest(raw, sign(raw, SIGNER), PUBLIC)


@given(raw=st.binary(max_size=400))
def test_any_signed_bytes_are_read_or_named(raw: bytes) -> None:
    with pytest.raises(StudyMalformed):
        read_manifest(raw, sign(raw, SIGNER), PUBLIC)


@given(parts=st.lists(st.binary(max_size=90), max_size=8), size=st.integers(1, 64))
def test_chunks_round_trip(parts: list[bytes], size: int) -> None:
    pieces = list(chunks.seal_chunks(bytes(32), b"aad", parts, size))
    assert b"".join(chunks.open_chunks(bytes(32), b"aad", pieces, len(pieces))) == b"".join(parts)


@given(parts=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6), data=st.data())
def test_mutated_chunks_never_open_whole(parts: list[bytes], data: st.DataObject) -> None:
    pieces = list(chunks.seal_chunks(bytes(32), b"aad", parts, 16))
    index = data.draw(st.integers(0, len(pieces) - 1))
    action = data.draw(st.sampled_from(["flip", "drop", "repeat", "cut"]))
    if action == "flip":
        place = data.draw(st.integers(0, len(pieces[index]) - 1))
        pieces[index] = pieces[index][:place] + bytes([pieces[index][place] ^ 4]) + pieces[index][place + 1 :]
    elif action == "drop":
        del pieces[index]
    elif action == "repeat":
        pieces.insert(index, pieces[index])
    else:
        pieces[index] = pieces[index][:-1]
    with pytest.raises((StudyAltered, ChunkMissing)):
        list(chunks.open_chunks(bytes(32), b"aad", pieces, max(len(pieces), 1)))


@given(
    entries=st.dictionaries(st.from_regex(r"[a-z0-9]{1,12}\.dcm", fullmatch=True), st.binary(max_size=200), max_size=6)
)
def test_container_round_trip(entries: dict[str, bytes]) -> None:
    listed = [Entry(name, data) for name, data in entries.items()]
    raw = b"".join(pack(listed))
    assert len(raw) == packed_bytes((entry.name, len(entry.data)) for entry in listed)
    assert list(unpack([raw])) == listed
    assert list(unpack(bytes([byte]) for byte in raw)) == listed


@given(raw=st.binary(max_size=300))
def test_container_decoder_reads_or_names_any_bytes(raw: bytes) -> None:
    try:
        list(unpack([b"MTPK\x01" + raw]))
    except (StudyMalformed, DecompressionBomb):
        return
    assert raw.endswith(b"\0\0")


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", "", ".hidden", "x" * 101, "ü.dcm"])
def test_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(StudyMalformed):
        list(pack([Entry(name, b"")]))
    raw = name.encode()
    if raw:
        container = b"MTPK\x01" + len(raw).to_bytes(2) + raw + bytes(8) + b"\0\0"
        with pytest.raises(StudyMalformed):
            list(unpack([container]))


@given(data=st.binary(max_size=500), cut=st.integers(0, 500))
@settings(max_examples=50)
def test_inflate_round_trip_and_truncation(data: bytes, cut: int) -> None:
    squeezed = b"".join(deflate([data]))
    assert b"".join(inflate([squeezed], len(data))) == data
    if cut < len(squeezed):
        with pytest.raises(StudyMalformed):
            list(inflate([squeezed[:cut]], len(data)))
    with pytest.raises(StudyMalformed):
        list(inflate([squeezed, b"more"], len(data)))


@given(noise=st.binary(max_size=200))
def test_inflate_names_any_bytes(noise: bytes) -> None:
    with pytest.raises((StudyMalformed, DecompressionBomb)):
        list(inflate([noise], 1_000_000))


def test_xwing_seed_gives_the_published_public_key(data_dir) -> None:  # type: ignore[no-untyped-def]
    vectors = json.loads((data_dir / "vectors/xwing.json").read_text())
    assert vectors
    for vector in vectors:
        assert OpeningKey(bytes.fromhex(vector["seed"])).public_bytes.hex() == vector["pk"]


def _rehashed(manifest: Manifest, pieces: list[bytes]) -> Manifest:
    """A manifest as a cheating but enrolled gateway would sign it: its hashes fit the wrong pieces."""
    return msgspec.structs.replace(manifest, chunks=tuple(hashlib.sha256(piece).hexdigest() for piece in pieces))
