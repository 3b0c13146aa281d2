"""The JSON messages between gateway and server, and the challenge over which a gateway signs (Ed25519, RFC 8032)."""

from __future__ import annotations

import struct
from typing import Annotated, Literal, TypedDict

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from devices.errors import GatewayRefused

NONCE_BYTES = 32
CLOSE_REFUSED = 4401
# The purpose stands first, so that a signature given here can never be shown as one over anything else.
_PURPOSE = b"medtwin/gateway-hello/1"


class Challenge(TypedDict):
    """Server, first message. nonce: 32 random bytes, hex. server_time: s since the Unix epoch."""

    type: Literal["challenge"]
    nonce: str
    server_time: float


class Hello(TypedDict):
    """Gateway, its answer. signature: hex."""

    type: Literal["hello"]
    gateway: int
    software: str
    signature: str


class Welcome(TypedDict):
    """Server: the gateway may have `credit` frames in flight that are not acknowledged yet."""

    type: Literal["welcome"]
    credit: int
    server_time: float


class Refused(TypedDict):
    """Server, before it closes with code 4401."""

    type: Literal["refused"]
    code: str
    message: str


class Ack(TypedDict):
    """Server, after its commit. frames: [device, counter] pairs that are stored for good."""

    type: Literal["ack"]
    frames: list[tuple[int, int]]


class Nack(TypedDict):
    """Server: one frame was refused. A `permanent` refusal will be the same however often it is sent."""

    type: Literal["nack"]
    device: int
    counter: int
    code: str
    permanent: bool
    message: str


class Presence(TypedDict):
    """Gateway, over MQTT alone, retained. connection: a fresh random name for each time that it connects."""

    type: Literal["presence"]
    online: bool
    connection: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


ServerMessage = Challenge | Welcome | Refused | Ack | Nack


def signed_bytes(nonce: bytes, gateway_id: int) -> bytes:
    """Return what a gateway signs: purpose || nonce || gateway id (u32, big endian)."""
    return _PURPOSE + nonce + struct.pack(">I", gateway_id)


def make_hello(challenge: Challenge, *, gateway_id: int, software: str, key: Ed25519PrivateKey) -> Hello:
    """Return the gateway's answer to a challenge. Raises GatewayRefused when the challenge is not hexadecimal."""
    try:
        nonce = bytes.fromhex(challenge["nonce"])
    except ValueError as error:
        raise GatewayRefused("the server's challenge is not hexadecimal") from error
    signature = key.sign(signed_bytes(nonce, gateway_id))
    return {"type": "hello", "gateway": gateway_id, "software": software, "signature": signature.hex()}


def check_hello(hello: Hello, *, nonce: bytes, public_key: bytes) -> None:
    """Return when the answer was signed over this challenge with the gateway's key (raw, 32 bytes).

    Raises GatewayRefused for a wrong signature, gateway id, nonce or key, and for text that is no hexadecimal.
    """
    try:
        signature = bytes.fromhex(hello["signature"])
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed_bytes(nonce, hello["gateway"]))
    except (InvalidSignature, ValueError, TypeError, KeyError, struct.error) as error:
        raise GatewayRefused from error
