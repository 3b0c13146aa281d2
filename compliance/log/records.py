"""Records and the commitments that the tree holds of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import rfc8785

SALT_BYTES = 32
MAX_SAFE = 2**53 - 1


def canonical(record: Mapping[str, Any]) -> str:
    """Return the record as RFC 8785 writes it: one text, and so one hash, for one content.

    Raises ValueError for what JSON cannot hold.
    """
    if _is_plain(record):
        # What RFC 8785 adds to sorted, tight JSON concerns fractions, large numbers and keys beyond ASCII. Without
        # them the standard library writes the same five times faster, and every act waits for it.
        return _plain.encode(record)
    return rfc8785.dumps(dict(record)).decode()


_plain = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False)


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and key.isascii() and _is_plain(item) for key, item in value.items())
    if kind is list:
        return all(_is_plain(item) for item in value)
    if kind is str:
        return bool(value.isascii())
    return value is None or kind is bool or (kind is int and abs(value) <= MAX_SAFE)


def new_salt() -> bytes:
    """Return 32 random bytes: without them nobody can guess a dose and compare hashes."""
    return os.urandom(SALT_BYTES)


def commitment_to(salt: bytes, record: str) -> bytes:
    """Return SHA-256(salt || record), the data of the leaf."""
    return sha256(salt + record.encode()).digest()
