"""One way to read a JSON message that somebody else wrote: it is of its type, or it is refused by name."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from devices.errors import FrameMalformed

T = TypeVar("T")


class _Tagged(msgspec.Struct):
    type: str = ""


class _Versioned(msgspec.Struct):
    version: int = 1


def decode_message(data: bytes | str, kind: type[T]) -> T:
    """Return the message as a `kind`.

    Raises FrameMalformed for everything else. msgspec has more ways than its DecodeError to say no: RecursionError for
    deep nesting, even inside fields that it skips, and UnicodeError for text that is not UTF-8.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise FrameMalformed(f"this is not a message of the protocol: {str(error)[:120]}") from error


def message_type(data: bytes | str) -> str:
    """Return what a message says it is, "" when it does not say. Raises FrameMalformed when it is no JSON object."""
    return decode_message(data, _Tagged).type


def decode_versioned(data: bytes | str) -> int:
    """Return the version that a message says it has, 1 when it says none. Raises FrameMalformed for no JSON object."""
    return decode_message(data, _Versioned).version
