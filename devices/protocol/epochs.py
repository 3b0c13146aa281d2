"""The keys that come from a pairing: its root and one greeting give the frame keys of devices (HKDF, RFC 5869).

```
 root, X25519 share --HKDF(nonces, time, ids, transcript)--> epoch secret --HKDF(device)--> frame key, 16 bytes
                                                     root of the device, if it was paired itself --^
 root --HKDF--> secret of OSCORE, where the gateway speaks CoAP
```
"""

from __future__ import annotations

import hmac
import struct

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

FRAME_KEY_BYTES = 16  # of every suite
_LABEL = b"medtwin/epoch/2/"


def hello_proof(root: bytes, said: bytes) -> bytes:
    """Return the gateway's proof that it has the root key (32 bytes), over what it says."""
    return hmac.digest(_expand(root, b"gateway proves"), said, "sha256")


def welcome_proof(secret: bytes) -> bytes:
    """Return the server's proof that it derived the same epoch secret; the transcript is in that."""
    return _expand(secret, b"server proves")


def epoch_secret(
    root: bytes,
    shared: bytes,
    *,
    nonces: tuple[bytes, bytes],
    time: float,
    gateway_id: int,
    epoch: int,
    transcript: bytes,
) -> bytes:
    """Return an epoch's secret (32 bytes).

    shared: of both X25519 shares. nonces: server's and gateway's, 32 bytes each. time: the gateway's clock in its
    hello, s since the Unix epoch. transcript: hash of everything said, the server's signature included.
    """
    ids = struct.pack(">dIQ", time, gateway_id, epoch)
    info = _LABEL + b"secret" + b"".join(nonces) + ids + transcript
    return HKDF(SHA256(), 32, salt=shared, info=info).derive(root)


def settings_proof(secret: bytes, settings: bytes) -> bytes:
    """Return the proof that what is wished of a gateway's devices comes from who began this epoch."""
    return hmac.digest(_expand(secret, b"settings"), settings, "sha256")


def oscore_secret(root: bytes) -> bytes:
    """Return the secret (32 bytes) from which both ends derive what protects CoAP between them."""
    return _expand(root, b"oscore")


def frame_key(secret: bytes, device_id: int, suite: int, device_root: bytes | None = None) -> bytes:
    """Return a device's 16-byte frame key in an epoch, for one cipher: no key is ever used with two.

    device_root: 32 bytes, of a device that was paired itself.
    """
    info = _LABEL + b"frames" + struct.pack(">IB", device_id, suite)
    if device_root is None:
        return HKDFExpand(SHA256(), FRAME_KEY_BYTES, info=info).derive(secret)
    return HKDF(SHA256(), FRAME_KEY_BYTES, salt=secret, info=info + b"paired").derive(device_root)


def _expand(key: bytes, info: bytes) -> bytes:
    return HKDFExpand(SHA256(), 32, info=_LABEL + info).derive(key)
