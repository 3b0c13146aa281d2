"""The four messages of a pairing, byte by byte; docs/wire-protocol.md has the same layouts in words.

All numbers are big endian. Each message begins with the same 24 bytes; a message that is longer or shorter than its
layout, or names another version, type, kind or suite, is refused before anything else is looked at.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from devices.errors import PairingMalformed
from devices.protocol.certificates import MAX_BYTES as MAX_CERTIFICATE_BYTES
from devices.protocol.certificates import Kind, Subject

MAGIC, VERSION, SUITE = b"MTPR", 1, 1
HEAD = struct.Struct(">4sBBBB4x4s8s")  # magic, version, type, kind, suite, zeros, subject (u32), reference
KINDS = {Kind.GATEWAY: 1, Kind.DEVICE: 2}
NONCE_BYTES, X25519_BYTES, MLKEM_PUBLIC_BYTES, MLKEM_CIPHERTEXT_BYTES = 32, 32, 1184, 1088
SIGNATURE_BYTES, MAC_BYTES, KEY_BYTES, CODE_BYTES, TAG_BYTES = 64, 32, 32, 16, 16
MAX_SOFTWARE_BYTES = 40
MAX_MESSAGE_BYTES = 8192

_OFFER = struct.Struct(f">d{NONCE_BYTES}s{X25519_BYTES}s{MLKEM_PUBLIC_BYTES}s")
_ANSWER = struct.Struct(f">d{NONCE_BYTES}s{X25519_BYTES}s{MLKEM_CIPHERTEXT_BYTES}s")
_PROOF = struct.Struct(f">{KEY_BYTES}s{KEY_BYTES}s{SIGNATURE_BYTES}s{CODE_BYTES}s{MAC_BYTES}s")
NO_KEY = bytes(KEY_BYTES)


class Head(NamedTuple):
    """What every message begins with."""

    type: int
    subject: Subject
    reference: bytes

    @property
    def raw(self) -> bytes:
        """The 24 bytes."""
        number = struct.pack(">I", self.subject.number)
        return HEAD.pack(MAGIC, VERSION, self.type, KINDS[self.subject.kind], SUITE, number, self.reference)


class Offer(NamedTuple):
    """M1, of the gateway. at: its clock, s since the Unix epoch; fresh nonce and public keys."""

    at: float
    nonce: bytes
    x25519: bytes
    mlkem: bytes


class Answer(NamedTuple):
    """M2, of the server, without its signature. certificates: the server's and the authority's, DER."""

    at: float
    nonce: bytes
    x25519: bytes
    ciphertext: bytes
    certificate: bytes
    authority: bytes


class Proof(NamedTuple):
    """M3, inside the seal. signature: by the identity key over the transcript; mac: under a key that needs the code.

    tls_key: of the key with which the gateway will open TLS connections; `NO_KEY` for a device, which opens none.
    """

    public_key: bytes
    tls_key: bytes
    signature: bytes
    code: bytes
    mac: bytes
    software: str


class Outcome(NamedTuple):
    """M4, inside the seal. certificate: the new one, DER. mac: under a key that needs the code.

    tls_certificate: for the TLS key of M3, DER; empty without one.
    """

    certificate: bytes
    mac: bytes
    tls_certificate: bytes = b""


def read_head(message: bytes, wanted: int | None = None) -> Head:
    """Return what a message says it is. Raises PairingMalformed."""
    if not HEAD.size <= len(message) <= MAX_MESSAGE_BYTES:
        raise PairingMalformed
    magic, version, number, kind, suite, subject, reference = HEAD.unpack_from(message)
    kinds = {value: name for name, value in KINDS.items()}
    if magic != MAGIC or version != VERSION or suite != SUITE or kind not in kinds or message[8:12] != bytes(4):
        raise PairingMalformed
    if number not in (1, 2, 3, 4) or (wanted is not None and number != wanted):
        raise PairingMalformed
    return Head(number, Subject(kinds[kind], int.from_bytes(subject)), reference)


def write_offer(head: Head, offer: Offer) -> bytes:
    """Return M1: 1,280 bytes."""
    return head.raw + _OFFER.pack(*offer)


def read_offer(message: bytes) -> Offer:
    """Return M1's content. Raises PairingMalformed."""
    return Offer(*_unpack(_OFFER, message[HEAD.size :], exact=True))


def write_answer(head: Head, answer: Answer) -> bytes:
    """Return M2 without the signature that follows it."""
    return head.raw + _ANSWER.pack(*answer[:4]) + _counted(answer.certificate) + _counted(answer.authority)


def split_answer(message: bytes) -> tuple[bytes, bytes]:
    """Return what M2's signature is over, and the signature. Raises PairingMalformed."""
    if len(message) < HEAD.size + _ANSWER.size + SIGNATURE_BYTES:
        raise PairingMalformed
    return message[:-SIGNATURE_BYTES], message[-SIGNATURE_BYTES:]


def read_answer(unsigned: bytes) -> Answer:
    """Return M2's content. Raises PairingMalformed."""
    at, nonce, x25519, ciphertext = _unpack(_ANSWER, unsigned[HEAD.size :])
    certificate, rest = _take(unsigned[HEAD.size + _ANSWER.size :], MAX_CERTIFICATE_BYTES)
    authority, rest = _take(rest, MAX_CERTIFICATE_BYTES)
    if rest:
        raise PairingMalformed
    return Answer(at, nonce, x25519, ciphertext, certificate, authority)


def write_proof(proof: Proof) -> bytes:
    """Return what M3 seals."""
    return _PROOF.pack(*proof[:5]) + _counted(proof.software.encode())


def read_proof(plaintext: bytes) -> Proof:
    """Return what M3 sealed. Raises PairingMalformed."""
    public_key, tls_key, signature, code, mac = _unpack(_PROOF, plaintext)
    software, rest = _take(plaintext[_PROOF.size :], MAX_SOFTWARE_BYTES)
    try:
        words = software.decode("ascii")
    except UnicodeDecodeError as error:
        raise PairingMalformed from error
    if rest or not words.isprintable():
        raise PairingMalformed
    return Proof(public_key, tls_key, signature, code, mac, words)


def write_outcome(outcome: Outcome) -> bytes:
    """Return what M4 seals."""
    return outcome.mac + _counted(outcome.certificate) + _counted(outcome.tls_certificate)


def read_outcome(plaintext: bytes) -> Outcome:
    """Return what M4 sealed. Raises PairingMalformed."""
    certificate, rest = _take(plaintext[MAC_BYTES:], MAX_CERTIFICATE_BYTES)
    tls_certificate, rest = _take(rest, MAX_CERTIFICATE_BYTES)
    if rest:
        raise PairingMalformed
    return Outcome(certificate, plaintext[:MAC_BYTES], tls_certificate)


def _unpack(layout: struct.Struct, raw: bytes, *, exact: bool = False) -> Any:
    if len(raw) < layout.size or (exact and len(raw) != layout.size):
        raise PairingMalformed
    return layout.unpack_from(raw)


def _counted(raw: bytes) -> bytes:
    return struct.pack(">H", len(raw)) + raw


def _take(raw: bytes, most: int) -> tuple[bytes, bytes]:
    """Return what a u16 counts off, and what follows. Raises PairingMalformed."""
    size = int.from_bytes(raw[:2])
    if len(raw) < 2 + size or size > most:
        raise PairingMalformed
    return raw[2 : 2 + size], raw[2 + size :]
