"""What every transport asks of a gateway: a signed answer to its challenge, whole messages, no more than its credit.

The socket and the MQTT bridge differ in how bytes reach them; who may come in, and what may follow, is settled here.
"""

from __future__ import annotations

import time
from typing import TypeGuard, cast

from channels.db import database_sync_to_async

from devices.errors import (
    CreditExceeded,
    FrameMalformed,
    FrameOversized,
    GatewayRefused,
    GatewayUnattested,
    HelloOutdated,
)
from devices.protocol.frames import MAX_FRAME_BYTES, split_frames
from devices.protocol.hello import Hello, MutualHello, MutualWelcome, Transcript, Welcome, check_hello
from devices.protocol.messages import decode_message, decode_versioned
from devices.protocol.mutual import check_mutual
from devices.services.attestation import note_measurement
from devices.services.directory import KnownGateway
from devices.services.ingest import CREDIT, Ingest

HELLO_WITHIN_S = 10.0
MAX_HELLO_BYTES = 2048
MAX_MESSAGE_BYTES = 8 * MAX_FRAME_BYTES


async def admit(writer: Ingest, answer: str | bytes, nonce: bytes) -> tuple[Hello | MutualHello, Transcript]:
    """Return the hello of a gateway that proved itself over the challenge `nonce`, and that proof.

    Raises GatewayRefused or one of its kinds.
    """
    hello = _read(answer)
    known = await writer.gateway(hello["gateway"])
    if is_mutual(hello) and known is not None and hello["certificate"].hex() not in known.certificates:
        known = await writer.gateway_anew(hello["gateway"])  # it may have been paired a moment ago
    if known is None or not known.active:
        raise GatewayRefused("This gateway is not registered or may not connect.")
    transcript = _prove(hello, nonce, known)
    shown = _measurement(hello)
    if (shown and shown not in known.measurements) or not known.attested(shown):
        may = await database_sync_to_async(note_measurement)(known.gateway_id, shown)
        if not may:
            raise GatewayUnattested
    return hello, transcript


def renew(writer: Ingest, answer: str | bytes, transcript: Transcript) -> Transcript:
    """Return the transcript of a session with the agreement on its next epoch, for a hello in an open session.

    Raises GatewayRefused or one of its kinds: the connection has to end.
    """
    agreement = transcript.agreement
    hello = _read(answer)
    known = writer.directory.gateways.get(transcript.gateway_id)
    if agreement is None or agreement.epoch is None or hello["gateway"] != transcript.gateway_id:
        raise GatewayRefused("This session goes on from no epoch.")
    if known is None or not known.active:
        raise GatewayRefused("This gateway is not registered or may not connect.")
    fresh = _prove(hello, agreement.epoch.transcript, known)
    if not known.attested(_measurement(hello)):
        raise GatewayUnattested
    return transcript._replace(agreement=fresh.agreement)


def welcome_of(transcript: Transcript) -> Welcome | MutualWelcome:
    """Return the welcome for a gateway whose connection the writer knows."""
    if transcript.agreement is not None and transcript.agreement.message is not None:
        return transcript.agreement.message
    return {"type": "welcome", "credit": CREDIT, "server_time": time.time()}


def _read(answer: str | bytes) -> Hello | MutualHello:
    if len(answer) > MAX_HELLO_BYTES:
        raise GatewayRefused("The gateway did not answer the challenge.")
    try:
        if decode_versioned(answer) >= 2:
            return decode_message(answer, MutualHello)
        return decode_message(answer, Hello)
    except FrameMalformed as error:
        raise GatewayRefused("The answer to the challenge is not a hello.") from error


def is_mutual(hello: Hello | MutualHello) -> TypeGuard[MutualHello]:
    """Tell whether this is the hello of a gateway that was paired."""
    return "version" in hello


def _measurement(hello: Hello | MutualHello) -> bytes:
    return hello["measurement"] if is_mutual(hello) else b""


def _prove(hello: Hello | MutualHello, nonce: bytes, known: KnownGateway) -> Transcript:
    if is_mutual(hello):
        if known.root is None:
            raise GatewayRefused("This gateway is not paired.")
        return check_mutual(
            hello,
            nonce=nonce,
            public_key=known.public_key,
            root=known.root,
            certificates=known.certificates,
            now=time.time(),
        )
    if known.root is not None:
        raise HelloOutdated
    return check_hello(cast(Hello, hello), nonce=nonce, public_key=known.public_key)


def take_frames(message: bytes | None, unanswered: int) -> list[bytes]:
    """Return the frames of one message from a gateway of whose frames `unanswered` are still open.

    Raises FrameMalformed, FrameTruncated, FrameOversized or CreditExceeded: each ends the connection.
    """
    if not message:
        raise FrameMalformed("a gateway sends binary messages of at least one frame")
    if len(message) > MAX_MESSAGE_BYTES:
        raise FrameOversized(f"a message of {len(message)} bytes is over the {MAX_MESSAGE_BYTES} allowed")
    frames = split_frames(message)
    if unanswered + len(frames) > CREDIT:
        raise CreditExceeded(f"{unanswered + len(frames)} frames without an answer; {CREDIT} are allowed")
    return frames
