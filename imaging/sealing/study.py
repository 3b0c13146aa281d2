"""Seal a study into a manifest and pieces, and open it again.

    files -> container -> DEFLATE -> pieces (AES-256-GCM, fresh key) -> manifest (hashes, key wrapped by X-Wing, signed)

The files are compressed losslessly before they come here (JPEG-LS inside DICOM, see imaging.codec).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from imaging.errors import ChunkMissing, StudyAltered, StudyKeyWrong, StudyMalformed, StudyTooLarge
from imaging.sealing import keys
from imaging.sealing.chunks import KEY_BYTES, open_chunks, seal_chunks
from imaging.sealing.manifest import FORMAT, MAX_CHUNKS, Manifest, key_info
from imaging.sealing.package import Entry, pack, packed_bytes, unpack
from imaging.sealing.squeeze import deflate, inflate

Urgency = Literal["routine", "urgent", "stat"]
Content = Literal["dicom", "kspace"]


@dataclass(frozen=True, slots=True)
class Sealing:
    """Who seals what for whom."""

    study: UUID
    gateway: int
    signing_key: Ed25519PrivateKey
    hospital_public: bytes
    content: Content
    sealed_at: float  # s since the Unix epoch
    patient: UUID | None = None
    urgency: Urgency = "routine"
    synthetic: bool = False


def seal_study(
    sealing: Sealing,
    files: Iterable[tuple[str, int]],
    entries: Iterable[Entry],
    keep: Callable[[int, bytes], None],
) -> Manifest:
    """Seal `entries`, hand each piece to `keep(index, piece)` and return the manifest to be signed.

    `files` are the names and sizes of the entries: the declared size must be known before the first byte is read.
    Raises StudyTooLarge beyond MAX_CHUNKS pieces.
    """
    listed = list(files)
    content_key = os.urandom(KEY_BYTES)
    hashes: list[str] = []
    sealed_bytes = 0
    for index, piece in enumerate(seal_chunks(content_key, _aad(sealing.study), deflate(pack(entries)))):
        if index >= MAX_CHUNKS:
            raise StudyTooLarge
        keep(index, piece)
        hashes.append(hashlib.sha256(piece).hexdigest())
        sealed_bytes += len(piece)
    wrapped = keys.wrap(sealing.hospital_public, content_key, key_info(sealing.study, sealing.gateway))
    return Manifest(
        format=FORMAT,
        study=sealing.study,
        gateway=sealing.gateway,
        patient=sealing.patient,
        content=sealing.content,
        urgency=sealing.urgency,
        synthetic=sealing.synthetic,
        sealed_at=sealing.sealed_at,
        files=len(listed),
        package_bytes=packed_bytes(listed),
        sealed_bytes=sealed_bytes,
        chunks=tuple(hashes),
        hospital_key=keys.fingerprint(sealing.hospital_public),
        wrapped_key=wrapped.hex(),
    )


def open_study(manifest: Manifest, pieces: Iterable[bytes], opening_key: keys.OpeningKey) -> Iterator[Entry]:
    """Yield the files of a study whose manifest was verified. Only when this ends without an error is the study whole.

    Raises StudyKeyWrong, StudyAltered, ChunkMissing, DecompressionBomb or StudyMalformed.
    """
    if keys.fingerprint(opening_key.public_bytes) != manifest.hospital_key:
        raise StudyKeyWrong
    wrapped = bytes.fromhex(manifest.wrapped_key)
    content_key = opening_key.unwrap(wrapped, key_info(manifest.study, manifest.gateway))
    if len(content_key) != KEY_BYTES:
        raise StudyMalformed("The wrapped content key has a wrong length.")
    plain = open_chunks(content_key, _aad(manifest.study), _hashed(manifest, pieces), len(manifest.chunks))
    count = 0
    for entry in unpack(inflate(plain, manifest.package_bytes)):
        count += 1
        yield entry
    if count != manifest.files:
        raise StudyMalformed(f"The study holds {count} files where {manifest.files} were declared.")


def check_piece(manifest: Manifest, index: int, piece: bytes) -> bool:
    """Tell whether `piece` is the one that the signed manifest names at `index`; needs no key."""
    return hashlib.sha256(piece).hexdigest() == manifest.chunks[index]


def _hashed(manifest: Manifest, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Bind the pieces to the *signed* manifest: HPKE alone would let anybody seal other content to the hospital."""
    seen = 0
    for index, piece in enumerate(pieces):
        if index >= len(manifest.chunks) or not check_piece(manifest, index, piece):
            raise StudyAltered(f"Piece {index} is not the one that the manifest names.")
        seen += 1
        yield piece
    if seen < len(manifest.chunks):
        raise ChunkMissing(f"{len(manifest.chunks) - seen} of {len(manifest.chunks)} pieces are missing.")


def _aad(study: UUID) -> bytes:
    return b"medtwin/study-chunk/1\n" + study.bytes
