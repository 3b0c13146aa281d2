"""A bundle of proofs as it is read from a file. The format stands in docs/transparency-log.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from compliance.log.notes import Verifier
from compliance.verify.strict import (
    Unreadable,
    hash_of,
    list_of,
    log_key,
    number_of,
    object_of,
    proof_of,
    strict_json,
    text_of,
    time_of,
    witness_key,
)

FORMAT = "medtwin-proofs/1"
MAX_ENTRIES = 100_000
MAX_WITNESSES = 100
FIELD_OF = {"from": "since", "to": "until"}  # the one word is a keyword, and they go together


@dataclass(frozen=True, slots=True)
class Opened:
    """What an entry says: the salt and the record's text exactly as committed to."""

    salt: bytes
    record: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf: its place, what the tree holds of it, the way to the head, and what it says, unless that is gone."""

    index: int
    commitment: bytes
    proof: tuple[bytes, ...]
    opened: Opened | None


@dataclass(frozen=True, slots=True)
class About:
    """What the bundle claims to be about. first, last: it holds every entry between these places."""

    event: int | None = None
    patient: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """An older checkpoint and the proof that it is the beginning of this one."""

    checkpoint: str
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Entries with their proofs, the signed head that they lead to, and whose keys its maker names."""

    about: About
    count: int
    checkpoint: str
    log: Verifier
    witnesses: tuple[Verifier, ...]
    entries: tuple[Entry, ...]
    earlier: Earlier | None


def read_bundle(text: str) -> Bundle:
    """Read a bundle. Raises Unreadable."""
    return bundle_in(strict_json(text))


def bundle_in(parsed: Any) -> Bundle:
    """Read a bundle from JSON that was read strictly. Raises Unreadable."""
    top = object_of(parsed, "the bundle", {"format", "about", "count", "checkpoint", "keys", "entries"}, {"earlier"})
    if top["format"] != FORMAT:
        raise Unreadable(f"the format is not {FORMAT}")
    keys = object_of(top["keys"], "keys", {"log", "witnesses"})
    earlier = top.get("earlier")
    return Bundle(
        about=_about(top["about"]),
        count=number_of(top["count"], "count"),
        checkpoint=text_of(top["checkpoint"], "checkpoint"),
        log=log_key(keys["log"], "keys.log"),
        witnesses=list_of(keys["witnesses"], "keys.witnesses", MAX_WITNESSES, witness_key),
        entries=list_of(top["entries"], "entries", MAX_ENTRIES, _entry),
        earlier=None if earlier is None else _earlier(earlier),
    )


def _entry(value: Any, where: str) -> Entry:
    found = object_of(value, where, {"index", "commitment", "proof"}, {"salt", "record"})
    if ("salt" in found) != ("record" in found):
        raise Unreadable(f"{where} has a salt without a record, or a record without a salt")
    opened = None
    if "salt" in found:
        opened = Opened(hash_of(found["salt"], f"{where}.salt"), text_of(found["record"], f"{where}.record"))
    return Entry(
        index=number_of(found["index"], f"{where}.index"),
        commitment=hash_of(found["commitment"], f"{where}.commitment"),
        proof=proof_of(found["proof"], f"{where}.proof"),
        opened=opened,
    )


def _earlier(value: Any) -> Earlier:
    found = object_of(value, "earlier", {"checkpoint", "proof"})
    return Earlier(text_of(found["checkpoint"], "earlier.checkpoint"), proof_of(found["proof"], "earlier.proof"))


def _about(value: Any) -> About:
    found = object_of(value, "about", set(), {"event", "patient", "from", "to", "first", "last"})
    if ("first" in found) != ("last" in found):
        raise Unreadable("about names only one end of a stretch")
    readers: dict[str, Callable[[Any, str], Any]] = {
        "event": number_of, "patient": text_of, "from": time_of, "to": time_of, "first": number_of, "last": number_of,
    }  # fmt: skip
    values: dict[str, Any] = {
        FIELD_OF.get(name, name): readers[name](value, f"about.{name}") for name, value in found.items()
    }
    return About(**values)
