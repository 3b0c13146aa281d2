"""One-time pairing codes: 80 random bits in Crockford's base32, in four groups that can be read out and typed."""

from __future__ import annotations

import os

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # without I, L, O and U
SYMBOLS, GROUP = 16, 4
_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0", "-": "", " ": ""})


def new_code() -> str:
    """Return a fresh code, such as `7K3M-9QWX-2PTR-5VBN`."""
    number = int.from_bytes(os.urandom(10))
    symbols = "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(SYMBOLS)))
    return "-".join(symbols[start : start + GROUP] for start in range(0, SYMBOLS, GROUP))


def canonical(text: str) -> str | None:
    """Return the 16 symbols that somebody meant who typed `text`; None for what is no code."""
    symbols = text.upper().translate(_READ_AS)
    return symbols if len(symbols) == SYMBOLS and set(symbols) <= set(ALPHABET) else None
