"""What every file is read with: strict, bounded, and refused in one sentence.

Whatever is not exactly as its format says is refused rather than guessed: a verifier that is generous is one that can
be talked into something.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from compliance.log.merkle import HASH_BYTES
from compliance.log.notes import LOG_KEY, MAX_SIZE, QUANTUM_SAFE_KEY, WITNESS_KEY, NoteRefused, Verifier

MAX_BYTES = 64 << 20
# A short text may become large objects. These are counted in texts too, and still leave room for what is real.
MAX_CONTAINERS, MAX_ITEMS = 1_500_000, 4_000_000
MAX_PROOF = 64  # hashes: a proof in a tree of 2**62 leaves has fewer
T = TypeVar("T")


class Unreadable(ValueError):
    """The file is not what it should be; the message says why in one sentence."""


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Return a file's text. Raises Unreadable when it is absent, too large or not UTF-8."""
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise Unreadable(f"{path} cannot be opened: {error.strerror}") from error
    if len(raw) > limit:
        raise Unreadable(f"{path} is larger than {limit} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path} is not UTF-8 text") from error


def strict_json(text: str) -> Any:
    """Read JSON without doubles of a key and without numbers that JSON does not have. Raises Unreadable."""
    if sum(text.count(sign) for sign in "[{") > MAX_CONTAINERS or text.count(",") > MAX_ITEMS:
        raise Unreadable("it holds more things than any file of proofs")  # before they fill the memory
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except Unreadable:
        raise
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error
    except ValueError as error:  # an integer of thousands of digits is one too
        raise Unreadable(f"it is not JSON: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a key stands twice in one object")
    return found


def _no_constant(word: str) -> Any:
    raise Unreadable(f"{word} is not JSON")


def object_of(value: Any, where: str, needed: Set[str], allowed: Set[str] = frozenset()) -> dict[str, Any]:
    """Return an object with the needed fields and no other than those allowed. Raises Unreadable."""
    if not isinstance(value, dict):
        raise Unreadable(f"{where} is not an object")
    if not needed <= value.keys() <= needed | allowed:
        raise Unreadable(f"{where} has other fields than {', '.join(sorted(needed | allowed))}")
    return value


def list_of(value: Any, where: str, most: int, read: Callable[[Any, str], T]) -> tuple[T, ...]:
    """Return a list, its items read one by one. Raises Unreadable."""
    if not isinstance(value, list) or len(value) > most:
        raise Unreadable(f"{where} is not a list of at most {most}")
    return tuple(read(item, f"{where}[{place}]") for place, item in enumerate(value))


def number_of(value: Any, where: str) -> int:
    """Return a whole number from 0 on. Raises Unreadable."""
    if type(value) is not int or not 0 <= value <= MAX_SIZE:  # True is an int, and no number
        raise Unreadable(f"{where} is not a whole number in range")
    return value


def text_of(value: Any, where: str) -> str:
    """Return a text of whole characters. Raises Unreadable."""
    if not isinstance(value, str):
        raise Unreadable(f"{where} is not text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unreadable(f"{where} holds half a character") from error
    return value


def hash_of(value: Any, where: str) -> bytes:
    """Return 32 bytes from their one spelling in base64. Raises Unreadable."""
    text = text_of(value, where)
    if re.fullmatch(r"[A-Za-z0-9+/]{43}=", text):
        raw = base64.b64decode(text)
        if base64.b64encode(raw).decode() == text:  # one spelling for one hash
            return raw
    raise Unreadable(f"{where} is not base64 of {HASH_BYTES} bytes")


def proof_of(value: Any, where: str) -> tuple[bytes, ...]:
    """Return the hashes of a proof. Raises Unreadable."""
    return list_of(value, where, MAX_PROOF, hash_of)


def log_key(value: Any, where: str) -> Verifier:
    """Return the key of a log. Raises Unreadable."""
    return _key(value, where, {LOG_KEY})


def witness_key(value: Any, where: str) -> Verifier:
    """Return a key of a witness. Raises Unreadable."""
    return _key(value, where, {WITNESS_KEY, QUANTUM_SAFE_KEY})


def _key(value: Any, where: str, kinds: Set[int]) -> Verifier:
    try:
        key = Verifier.decode(text_of(value, where))
    except NoteRefused as error:
        raise Unreadable(f"{where}: {error}") from error
    if key.kind not in kinds:
        raise Unreadable(f"{where} is a key of the other kind")
    return key


def time_of(value: Any, where: str) -> datetime:
    """Return a moment with its time zone. Raises Unreadable."""
    try:
        moment = datetime.fromisoformat(text_of(value, where))
        moment.astimezone(UTC)  # the first and the last hours of the calendar lie outside of it elsewhere
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{where} is not a time") from error
    if moment.tzinfo is None:
        raise Unreadable(f"{where} has no time zone")
    return moment
