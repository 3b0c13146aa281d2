"""What a sealed study says about itself, in the open: sizes, piece hashes, the wrapped key, and who sent it.

The manifest is canonical JSON (sorted keys, no spaces) signed with the gateway's Ed25519 key. It carries no patient
data besides the patient's random identifier, so that a web process may read it.
"""

from __future__ import annotations

import json
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from imaging.errors import StudyMalformed, StudySignerWrong
from imaging.sealing.chunks import CHUNK_BYTES

FORMAT: Final = "medtwin/sealed-study/1"
SIGNING_LABEL = b"medtwin/study-manifest/1\n"
MAX_MANIFEST_BYTES = 512 << 10
MAX_CHUNKS = 4096
MAX_PACKAGE_BYTES = 8 << 30

Sha256Hex = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a manifest; see docs/sealed-study.md for their meaning."""

    format: Literal["medtwin/sealed-study/1"]
    study: UUID
    gateway: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    patient: UUID | None
    content: Literal["dicom", "kspace"]
    urgency: Literal["routine", "urgent", "stat"]
    synthetic: bool
    sealed_at: Annotated[float, Meta(ge=0)]
    files: Annotated[int, Meta(ge=1, le=5000)]
    package_bytes: Annotated[int, Meta(ge=1, le=MAX_PACKAGE_BYTES)]
    sealed_bytes: Annotated[int, Meta(ge=1, le=MAX_CHUNKS * (CHUNK_BYTES + 16))]
    chunks: Annotated[tuple[Sha256Hex, ...], Meta(min_length=1, max_length=MAX_CHUNKS)]
    hospital_key: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    wrapped_key: Annotated[str, Meta(pattern="^[0-9a-f]{2,4096}$")]

    def encode(self) -> bytes:
        """Return the canonical bytes that are signed."""
        return json.dumps(msgspec.to_builtins(self), sort_keys=True, separators=(",", ":")).encode()


def key_info(study: UUID, gateway: int) -> bytes:
    """Return the HPKE `info`: a key wrapped for one study of one gateway opens for no other."""
    return f"{FORMAT}/{study}/{gateway}".encode()


def sign(raw: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the gateway's 64-byte signature over the manifest bytes."""
    return key.sign(SIGNING_LABEL + raw)


def read_manifest(raw: bytes, signature: bytes, gateway_public_key: bytes) -> Manifest:
    """Return the manifest after checking signature, form and canonical encoding.

    Raises StudySignerWrong or StudyMalformed. Nothing in `raw` is looked at before the signature holds.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        raise StudyMalformed(f"A manifest has at most {MAX_MANIFEST_BYTES} bytes.")
    try:
        Ed25519PublicKey.from_public_bytes(gateway_public_key).verify(signature, SIGNING_LABEL + raw)
    except (InvalidSignature, ValueError) as error:
        raise StudySignerWrong from error
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise StudyMalformed(f"The manifest is wrong: {error}.") from error
    if manifest.encode() != raw:
        raise StudyMalformed("The manifest is not in canonical form.")
    return manifest
