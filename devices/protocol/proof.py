"""Proof that an acknowledgement comes from the server, for transports where somebody else stands in between.

An acknowledgement makes a gateway delete readings. On its own TLS socket the server is known; through a broker anyone
whom the broker lets, and the broker itself, could say "stored". So the server chains HMAC-SHA-256 (RFC 2104) under the
keys of the acknowledged devices, which nobody but gateway and server has, over session, device and counter.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterable, Mapping

_PURPOSE = b"medtwin/ack/1"


def prove_ack(session: bytes, frames: Iterable[tuple[int, int]], keys: Mapping[int, bytes]) -> str:
    """Return the proof, hexadecimal, that frames (device, counter) are stored. Raises KeyError for an unknown device.

    Each link of the chain takes in the one before it: without every key that is named, the last cannot be made.
    """
    link = _PURPOSE + session
    for device, counter in frames:
        link = hmac.digest(keys[device], _PURPOSE + link + struct.pack(">IQ", device, counter), "sha256")
    return link.hex()


def ack_is_proven(proof: str, session: bytes, frames: Iterable[tuple[int, int]], keys: Mapping[int, bytes]) -> bool:
    """Tell whether the proof fits; not for frames of devices that we have no key of."""
    try:
        return hmac.compare_digest(prove_ack(session, frames, keys).encode(), proof.encode())
    except (KeyError, struct.error, UnicodeError):
        return False
