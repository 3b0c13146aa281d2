"""Recovery codes: sixteen letters and digits, of which the first four only say which code it is.

The other twelve carry 60 bits and are kept as a slow hash. Crockford's alphabet has no I, L, O and U, and reads what
people write instead.
"""

from __future__ import annotations

from typing import NamedTuple

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SYMBOL_BITS = 5
HANDLE, SECRET = 4, 12  # symbols
RANDOM_BYTES = (HANDLE + SECRET) * SYMBOL_BITS // 8
GROUP = 4
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


class RecoveryCode(NamedTuple):
    """A code in its two parts."""

    handle: str
    secret: str

    def __str__(self) -> str:
        text = self.handle + self.secret
        return "-".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))


def make_code(random: bytes) -> RecoveryCode:
    """Return the code that RANDOM_BYTES random bytes spell."""
    number = int.from_bytes(random)
    symbols = [ALPHABET[number >> (SYMBOL_BITS * place) & 31] for place in range(HANDLE + SECRET)]
    return RecoveryCode("".join(symbols[:HANDLE]), "".join(symbols[HANDLE:]))


def read_code(typed: str) -> RecoveryCode | None:
    """Return the code that a person typed, or None when it cannot be one."""
    text = typed.strip().upper().translate(_MISREAD)
    if len(text) != HANDLE + SECRET or not set(text) <= set(ALPHABET):
        return None
    return RecoveryCode(text[:HANDLE], text[HANDLE:])
