"""The keys of a pairing: HKDF-SHA-256 (RFC 5869) over X25519 and ML-KEM-768 (FIPS 203), bound to all that was said.

Either agreement alone would do: the other covers its being broken. Public keys and ciphertext go in, as in X-Wing
(draft-connolly-cfrg-xwing-kem), so that neither can be exchanged for another that gives the same secret. The code
enters the keys that confirm, and the root: a recording of a pairing gives nobody anything to guess codes against.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from devices.errors import PairingForged
from devices.protocol.certificates import Subject

_LABEL = b"medtwin/pairing/1/"
SIGNED_BY_SERVER = _LABEL + b"server signs"
SIGNED_BY_IDENTITY = _LABEL + b"identity signs"
ROOT_BYTES = 32
_ONCE = bytes(12)  # each of these keys seals one message


class Agreed(NamedTuple):
    """The two secrets (32 bytes each) and the public values that they came from."""

    mlkem: bytes
    x25519: bytes
    mlkem_public: bytes
    ciphertext: bytes
    x25519_gateway: bytes
    x25519_server: bytes


class Confirmed(NamedTuple):
    """Keys that only somebody who knows the code can have."""

    of_gateway: bytes
    of_server: bytes
    secret: bytes


def begin_transcript(message: bytes) -> bytes:
    """Return the transcript's hash after M1."""
    return hashlib.sha256(_LABEL + b"transcript" + struct.pack(">I", len(message)) + message).digest()


def go_on(transcript: bytes, message: bytes) -> bytes:
    """Return the transcript's hash after one message more."""
    return hashlib.sha256(transcript + struct.pack(">I", len(message)) + message).digest()


def handshake_secret(agreed: Agreed, transcript: bytes) -> bytes:
    """Return the secret of both agreements (32 bytes). transcript: after M2."""
    public = agreed.mlkem_public + agreed.ciphertext + agreed.x25519_gateway + agreed.x25519_server
    salt = hashlib.sha256(_LABEL + b"public values" + public).digest()
    info = _LABEL + b"handshake" + transcript
    return HKDF(SHA256(), 32, salt=salt, info=info).derive(agreed.mlkem + agreed.x25519)


def seal(secret: bytes, number: int, head: bytes, plaintext: bytes) -> bytes:
    """Return message `number` (3 or 4) sealed: AES-256-GCM, a key of its own, the head as associated data."""
    return AESGCM(_expand(secret, b"message %d" % number)).encrypt(_ONCE, plaintext, head)


def unseal(secret: bytes, number: int, head: bytes, sealed: bytes) -> bytes:
    """Return what was sealed. Raises PairingForged."""
    try:
        return AESGCM(_expand(secret, b"message %d" % number)).decrypt(_ONCE, sealed, head)
    except (InvalidTag, ValueError) as error:
        raise PairingForged from error


def confirm(secret: bytes, subject: Subject, code: str) -> Confirmed:
    """Return the keys that the code adds its part to. code: its 16 symbols."""
    salt = hashlib.sha256(_LABEL + b"code" + subject.urn.encode() + b"\0" + code.encode()).digest()
    mixed = hmac.digest(salt, secret, "sha256")  # HKDF-Extract
    return Confirmed(_expand(mixed, b"gateway confirms"), _expand(mixed, b"server confirms"), mixed)


def mac(key: bytes, transcript: bytes, content: bytes) -> bytes:
    """Return the proof (HMAC-SHA-256) that somebody has the key and saw the same messages."""
    return hmac.digest(key, transcript + content, "sha256")


def root_key(confirmed: Confirmed, transcript: bytes) -> bytes:
    """Return the root key (32 bytes). transcript: after M4, and so after everything."""
    return _expand(confirmed.secret, b"root" + transcript)


def _expand(key: bytes, info: bytes) -> bytes:
    return HKDFExpand(SHA256(), 32, info=_LABEL + info).derive(key)
