"""Time-based one-time codes (RFC 6238) over HMAC-SHA-1 (RFC 4226), six digits, thirty seconds.

SHA-1 is what every authenticator app speaks; HMAC needs no collision resistance of it.
"""

from __future__ import annotations

import hmac
import struct
from hashlib import sha1

STEP_S = 30
DIGITS = 6
SECRET_BYTES = 20  # RFC 4226, section 4, R6: 160 bits
TOLERANCE_STEPS = 1  # a phone's clock may be half a minute off, and a person needs a moment to type


def step_of(t: float) -> int:
    """Return the number of the time step that holds `t` (seconds since the Unix epoch)."""
    return int(t // STEP_S)


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a time step (RFC 4226, section 5.3)."""
    digest = hmac.new(secret, struct.pack(">Q", step), sha1).digest()
    offset = digest[-1] & 0x0F
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 10**DIGITS:0{DIGITS}}"


def matching_step(secret: bytes, code: str, t: float) -> int | None:
    """Return the newest time step near `t` whose code this is, or None."""
    typed = "".join(code.split()).encode()
    now = step_of(t)
    for step in range(now + TOLERANCE_STEPS, now - TOLERANCE_STEPS - 1, -1):
        if step >= 0 and hmac.compare_digest(code_at(secret, step).encode(), typed):
            return step
    return None
