"""What every transport asks of a gateway: a signed answer to its challenge, whole messages, no more than its credit.

The socket and the MQTT bridge differ in how bytes reach them; who may come in, and what may follow, is settled here.
"""

from __future__ import annotations

from devices.errors import CreditExceeded, FrameMalformed, FrameOversized, GatewayRefused
from devices.protocol.frames import MAX_FRAME_BYTES, split_frames
from devices.protocol.hello import Hello, check_hello
from devices.protocol.messages import decode_message
from devices.services.ingest import Ingest

CREDIT = 32
HELLO_WITHIN_S = 10.0
MAX_HELLO_BYTES = 1024
MAX_MESSAGE_BYTES = 8 * MAX_FRAME_BYTES


async def admit(writer: Ingest, answer: str | bytes, nonce: bytes) -> Hello:
    """Return the hello of a gateway that proved itself over the challenge `nonce`. Raises GatewayRefused."""
    if len(answer) > MAX_HELLO_BYTES:
        raise GatewayRefused("The gateway did not answer the challenge.")
    try:
        hello = decode_message(answer, Hello)
    except FrameMalformed as error:
        raise GatewayRefused("The answer to the challenge is not a hello.") from error
    known = await writer.gateway(hello["gateway"])
    if known is None or not known.active:
        raise GatewayRefused("This gateway is not registered or may not connect.")
    check_hello(hello, nonce=nonce, public_key=known.public_key)
    return hello


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
