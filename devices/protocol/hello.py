"""The JSON messages between gateway and server, and the challenge over which a gateway signs (Ed25519, RFC 8032)."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, NotRequired, TypedDict

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from devices.errors import GatewayRefused

if TYPE_CHECKING:
    from devices.protocol.mutual import Agreement

NONCE_BYTES = 32
CLOSE_REFUSED = 4401
# The purpose stands first, so that a signature given here can never be shown as one over anything else.
_PURPOSE = b"medtwin/gateway-hello/1"
PURPOSE_MUTUAL = b"medtwin/gateway-hello/2"


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


class MutualHello(TypedDict):
    """Gateway that was paired. Bytes are base64 in the JSON.

    certificate: its serial number, 20 bytes. nonce, share: 32 bytes. time: its clock, s since the Unix epoch. suites:
    of frames, that it can seal. measurement: what attests its software, or empty.
    """

    type: Literal["hello"]
    version: Literal[2]
    gateway: int
    software: str
    certificate: bytes
    nonce: bytes
    time: float
    share: bytes
    suites: list[int]
    measurement: bytes
    signature: bytes
    proof: bytes


class MutualWelcome(TypedDict):
    """Server, to a paired gateway. Bytes are base64 in the JSON: a datagram holds it.

    The gateway seals under `epoch` with `suite`, and says hello again within `epoch_s` seconds and `epoch_frames`
    frames. renewed: a new certificate (DER), or empty. settings: what is wished of its devices, where anything is, with
    its own proof under the epoch's secret (devices/protocol/settings.py).
    """

    type: Literal["welcome"]
    version: Literal[2]
    credit: int
    server_time: float
    epoch: int
    suite: int
    share: bytes
    epoch_s: int
    epoch_frames: int
    certificate: bytes
    renewed: bytes
    signature: bytes
    proof: bytes
    settings: NotRequired[bytes]
    settings_proof: NotRequired[bytes]


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
    """Gateway, over MQTT alone. connection: a fresh random name for each time that it connects."""

    type: Literal["presence"]
    online: bool
    connection: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class BridgeNews(TypedDict):
    """Bridge, over MQTT alone, to every gateway: it is here, or it is gone."""

    type: Literal["bridge"]
    online: bool


ServerMessage = Challenge | Welcome | MutualWelcome | Refused | Ack | Nack


class Transcript(NamedTuple):
    """How a gateway proved itself: what anybody can check again later.

    public_key: raw, 32 bytes. nonce: the challenge. signature: over `signed_bytes`, or over `said`, where a paired
    gateway said more (devices.protocol.mutual). agreement: what begins its keys' epoch; no part of the proof.
    """

    gateway_id: int
    public_key: bytes
    nonce: bytes
    signature: bytes
    said: bytes = b""
    agreement: Agreement | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 over gateway id (u32, big endian), key, challenge and signature: the session's name in evidence."""
        head = struct.pack(">I", self.gateway_id)
        return hashlib.sha256(head + self.public_key + self.nonce + self.signature).digest()

    def holds(self) -> bool:
        """Tell whether the signature is that key's over that challenge."""
        said = self.said or signed_bytes(self.nonce, self.gateway_id)
        if self.said and not said.startswith(PURPOSE_MUTUAL + self.nonce + struct.pack(">I", self.gateway_id)):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(self.signature, said)
        except (InvalidSignature, ValueError):
            return False
        return True


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


def check_hello(hello: Hello, *, nonce: bytes, public_key: bytes) -> Transcript:
    """Return the proof that the answer was signed over this challenge with the gateway's key (raw, 32 bytes).

    Raises GatewayRefused for a wrong signature, gateway id, nonce or key, and for text that is no hexadecimal.
    """
    try:
        transcript = Transcript(hello["gateway"], public_key, nonce, bytes.fromhex(hello["signature"]))
        proven = transcript.holds()
    except (ValueError, TypeError, KeyError, struct.error) as error:
        raise GatewayRefused from error
    if not proven:
        raise GatewayRefused
    return transcript
