"""How a gateway signs an HTTP request: Ed25519 over method, path, body hash and time.

A recorded request can be sent again within the allowed five minutes; every request of the upload is idempotent, so that
this changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from imaging.errors import RequestRefused

GATEWAY_HEADER = "X-Medtwin-Gateway"
TIME_HEADER = "X-Medtwin-Time"
SIGNATURE_HEADER = "X-Medtwin-Signature"
MAX_SKEW_S = 300.0


def sign_request(
    key: Ed25519PrivateKey, gateway: int, method: str, path: str, body: bytes, now_s: float
) -> dict[str, str]:
    """Return the headers that prove the request; `now_s` is in seconds since the Unix epoch."""
    stamp = f"{now_s:.3f}"
    signature = key.sign(_signed_bytes(gateway, method, path, body, stamp))
    return {GATEWAY_HEADER: str(gateway), TIME_HEADER: stamp, SIGNATURE_HEADER: signature.hex()}


def claimed_gateway(headers: Mapping[str, str]) -> int:
    """Return the gateway that the request claims to come from; raise RequestRefused where none is named."""
    claimed = headers.get(GATEWAY_HEADER, "")
    if not (claimed.isascii() and claimed.isdigit() and len(claimed) <= 10):
        raise RequestRefused
    return int(claimed)


def verify_request(
    public_key: bytes, headers: Mapping[str, str], method: str, path: str, body: bytes, now_s: float
) -> None:
    """Return when the headers prove the request; raise RequestRefused otherwise."""
    gateway = claimed_gateway(headers)
    stamp = headers.get(TIME_HEADER, "")
    try:
        skew_s = abs(float(stamp) - now_s)
        signature = bytes.fromhex(headers.get(SIGNATURE_HEADER, ""))
        signed = _signed_bytes(gateway, method, path, body, stamp)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except (ValueError, InvalidSignature) as error:
        raise RequestRefused from error
    if not skew_s <= MAX_SKEW_S:  # also refuses NaN
        raise RequestRefused


def _signed_bytes(gateway: int, method: str, path: str, body: bytes, stamp: str) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return f"medtwin/http-request/1\n{gateway}\n{method}\n{path}\n{digest}\n{stamp}".encode()
