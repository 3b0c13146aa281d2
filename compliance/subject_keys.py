"""A key for each person: what says who they are is sealed under it, and without it nobody reads that again.

The key is random, 256 bits, and wrapped under FIELD_KEY with the person's id, so that it serves no other row. A field
is AES-256-GCM under it, authenticated together with its table, column and row (NIST SP 800-38D), so that a value
exchanged between rows or columns does not open. Plaintexts are padded to 32 bytes: the length of a name is part of it.
"""

from __future__ import annotations

import hmac
import os
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from compliance.errors import SealedFieldAltered, SecretUnreadable
from compliance.keyring import field_box

KEY_BYTES, NONCE_BYTES, PAD_TO = 32, 12, 32
PURPOSE = "subject-key"
VERSION = "s1:"


def new_key() -> bytes:
    """Return a fresh key."""
    return os.urandom(KEY_BYTES)


def wrap(key: bytes, subject: UUID) -> bytes:
    """Return a person's key as it is stored."""
    return field_box(PURPOSE).seal(key, subject.bytes)


def unwrap(wrapped: bytes, subject: UUID) -> bytes:
    """Return a person's key. Raises SealedFieldAltered when it is another's, or was changed."""
    try:
        return field_box(PURPOSE).open(wrapped, subject.bytes)
    except SecretUnreadable as error:
        raise SealedFieldAltered from error


def seal_text(key: bytes, text: str, table: str, column: str, row: UUID) -> str:
    """Return a text as it is stored in that place."""
    nonce = os.urandom(NONCE_BYTES)
    padded = text.encode() + b"\x80"  # ISO/IEC 7816-4
    padded += bytes(-len(padded) % PAD_TO)
    sealed = AESGCM(key).encrypt(nonce, padded, _place(table, column, row))
    return VERSION + urlsafe_b64encode(nonce + sealed).decode()


def open_text(key: bytes, sealed: str, table: str, column: str, row: UUID) -> str:
    """Return the text that was sealed for that place. Raises SealedFieldAltered."""
    if not sealed.startswith(VERSION):
        raise SealedFieldAltered
    try:
        raw = urlsafe_b64decode(sealed[len(VERSION) :])
        padded = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _place(table, column, row))
    except (InvalidTag, ValueError) as error:
        raise SealedFieldAltered from error
    return padded.rstrip(b"\0")[:-1].decode()


def blind(index_key: bytes, number: str) -> str:
    """Return what stands for a record number in the index: HMAC-SHA256 over it as people mean it.

    Case, spaces and compatibility forms (NFKC) make no difference.
    """
    meant = "".join(unicodedata.normalize("NFKC", number).split()).casefold()
    return hmac.digest(index_key, b"record-number\0" + meant.encode(), "sha256").hex()


def _place(table: str, column: str, row: UUID) -> bytes:
    return b"medtwin/field/1\0" + f"{table}\0{column}\0{row}".encode()
