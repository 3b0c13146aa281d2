"""What protects CoAP between one gateway and the house: OSCORE (RFC 8613) under a secret that only the two have.

A nonce is made of the sender's name and its sequence number, so no number may ever be used twice under a secret,
whatever is killed or restored. Every response carries a number of the server's own, instead of leaning on the
request's: then it does not matter which process answers, nor what a replay window has forgotten.

Loaded at the first use alone: it needs aiocoap (extra `coap`).
"""

from __future__ import annotations

import os
import struct
from typing import Any, NamedTuple, Protocol

from aiocoap import oscore

from compliance.errors import DomainError
from devices.protocol.sequence import NumbersExhausted

SECRET_BYTES = 32
SERVER_ID = b""
REPLAY_WINDOW = 64
_SALT = b"medtwin/oscore/1"


class Numbers(Protocol):
    """Where sequence numbers come from."""

    def take(self) -> int:
        """Return a number that was never returned before, in no life of this side. Raises NumbersExhausted."""
        ...


class Unprotectable(DomainError):
    """The message does not open under these keys."""

    code = "oscore_unprotectable"


class Replayed(Unprotectable):
    """The message was seen before."""

    code = "oscore_replayed"


class Protected(NamedTuple):
    """A request as its sender meant it, and what its response needs; or, without a message, the answer it gets now."""

    message: Any
    request_id: Any
    ask_again: Any = None


class Context(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):  # type: ignore[misc]
    """One side's keys. A replay window that is empty after a start is filled by Echo (RFC 8613, appendix B.1.2)."""

    def __init__(self, secret: bytes, *, own_id: bytes, peer_id: bytes, numbers: Numbers) -> None:
        self.alg_aead = oscore.algorithms["AES-CCM-16-64-128"]  # what every implementation has
        self.hashfun = oscore.hashfunctions["sha256"]
        self.sender_id, self.recipient_id, self.id_context = own_id, peer_id, None
        self.authenticated_claims: list[str] = []
        self.recipient_replay_window = oscore.ReplayWindow(REPLAY_WINDOW, lambda: None)
        self.echo_recovery = os.urandom(8) if own_id == SERVER_ID else None
        self._numbers = numbers
        self.derive_keys(_SALT, secret)

    def new_sequence_number(self) -> int:
        """Return the next number of ours."""
        number = self._numbers.take()
        if number >= oscore.MAX_SEQNO:
            raise NumbersExhausted
        return number

    def post_seqnoincrease(self) -> None:
        """Nothing is left to do: `Numbers` wrote it down before it gave the number out."""

    def open_request(self, message: Any) -> Protected:
        """Return a request unprotected. Raises Unprotectable, Replayed or NumbersExhausted.

        While the window is empty, the gateway is asked to show that its request is of now.
        """
        try:
            inner, request_id = self.unprotect(message)
        except oscore.ReplayErrorWithEcho as error:
            error.request_id.can_reuse_nonce = False
            return Protected(None, error.request_id, error.to_message())
        except oscore.ReplayError as error:
            raise Replayed from error
        except NumbersExhausted:
            raise
        except Exception as error:  # these are a stranger's bytes: the parser has more ways to fail than it names
            raise Unprotectable from error
        request_id.can_reuse_nonce = False
        return Protected(inner, request_id)


def gateway_name(gateway_id: int) -> bytes:
    """Return a gateway's sender id."""
    return struct.pack(">I", gateway_id)


def gateway_of(message: Any) -> int | None:
    """Return the number of the gateway that a message claims to come from; None when it names none."""
    if message.opt.oscore is None:
        return None
    try:
        _, _, unprotected, _ = oscore.CanUnprotect._extract_encrypted0(message)
    except Exception:  # a stranger's bytes
        return None
    name = unprotected.get(oscore.COSE_KID)
    return int.from_bytes(name, "big") if isinstance(name, bytes) and len(name) == 4 else None


def gateway_context(secret: bytes, gateway_id: int, numbers: Numbers) -> Context:
    """Return the context as the gateway has it."""
    return Context(secret, own_id=gateway_name(gateway_id), peer_id=SERVER_ID, numbers=numbers)


def server_context(secret: bytes, gateway_id: int, numbers: Numbers) -> Context:
    """Return the context as the server has it."""
    return Context(secret, own_id=SERVER_ID, peer_id=gateway_name(gateway_id), numbers=numbers)
