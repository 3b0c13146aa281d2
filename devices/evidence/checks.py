"""Follows a reading back to the log, link by link, and says in words which link holds, is missing or is broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from devices.errors import FrameError, ReadingError
from devices.evidence.logged import LogLink, checks_of_link
from devices.evidence.outcome import Check, Outcome
from devices.evidence.tree import leads_to, path_of
from devices.protocol.decoding import decode_readings
from devices.protocol.frames import HEADER_BYTES, HEARD_VERSION, Header, inflate, parse_header
from devices.protocol.heard import Run, split_heard
from devices.protocol.hello import Transcript
from devices.protocol.suites import Suite, SuiteCiphers
from devices.telemetry import Reading, StoredGroup
from devices.telemetry.lanes import lane_of, seq_in

_CIPHERS = SuiteCiphers(small=True)  # one frame at a time

UNCHECKED = "Nothing can be said before the frame is found."


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known about a reading; what is not there any more is None.

    number: of the path by which it came, on the wire; None where that was the device's own gateway's. key, suite: of
    the frame's epoch. payload: what the frame held when it was opened again under that key. transcript:
    of the gateway's session. leaves: everything under the frame's root, in order; index: where this frame stands among
    them. root: as the log has it; link: where.
    """

    reading: Reading
    stored: StoredGroup | None = None
    place: int | None = None
    number: int | None = None
    key: bytes | None = None
    suite: Suite = Suite.ASCON_AEAD128
    payload: bytes | None = None
    transcript: Transcript | None = None
    leaves: Sequence[bytes] = ()
    index: int = 0
    root: bytes | None = None
    link: LogLink | None = None
    unlogged: bool = False  # its root is made and not in the log yet: the process was stopped in between

    @property
    def heard(self) -> float | None:
        """When the gateway heard it by its clock, s since the Unix epoch; None where it did not say."""
        if self.stored is None or self.place is None:
            return None
        return self.stored.group.heard_at(self.place, self.reading.seq)

    @property
    def frame(self) -> bytes | None:
        """The sealed bytes as they came."""
        return None if self.stored is None or self.place is None else self.stored.group.frame(self.place)


def open_frame(frame: bytes, key: bytes) -> bytes | None:
    """Return what a frame holds, None when its tag does not fit."""
    head = frame[:HEADER_BYTES]
    try:
        suite = parse_header(frame).suite
    except FrameError:
        return None
    return _CIPHERS.open_batch([suite], [key], [head[4:]], [head], [frame[HEADER_BYTES:]])[0]


def checks_of(facts: Facts) -> Iterator[Check]:
    """Yield the links from the value on the screen to the root in the log."""
    yield _frame_kept(facts)
    yield _frame_unchanged(facts)
    yield _tag(facts)
    yield _value(facts)
    yield gateway_check(facts)
    yield root_check(facts)
    yield from checks_of_link(facts.link, {"root": facts.root.hex()} if facts.root else None, "The root")


def _frame_kept(facts: Facts) -> Check:
    name = "The sealed frame is kept"
    if facts.stored is None or facts.place is None:
        words = "No frame is stored for this reading. It came before frames were kept, or the store was changed."
        return Check(name, Outcome.MISSING, words)
    if facts.frame is None:
        return Check(name, Outcome.MISSING, "Its time is over. The hash that was kept of it, and the proof, remain.")
    return Check(name, Outcome.HOLDS, f"{len(facts.frame)} bytes, as they came.")


def _frame_unchanged(facts: Facts) -> Check:
    name = "The frame has not changed"
    if facts.stored is None or facts.place is None or facts.frame is None:
        return Check(name, Outcome.MISSING, "There are no bytes to compare with the hash.")
    if sha256(facts.frame).digest() != facts.stored.group.hash_of(facts.place):
        return Check(name, Outcome.BROKEN, "Its SHA-256 is not the one that was kept when it came.")
    return Check(name, Outcome.HOLDS, "Its SHA-256 is the one that was kept when it came.")


def _tag(facts: Facts) -> Check:
    name = "The device sealed it"
    if facts.frame is None:
        return Check(name, Outcome.MISSING, "Without the frame its tag cannot be checked.")
    if facts.key is None:
        return Check(name, Outcome.MISSING, "The key of that time is no longer kept; hash and proof still hold.")
    if facts.payload is None:
        return Check(name, Outcome.BROKEN, "The tag does not fit: these are not the bytes that the device sealed.")
    label = Suite(parse_header(facts.frame).suite).facts.label
    return Check(name, Outcome.HOLDS, f"Opened again with the device's key; the {label} tag fits.")


def _value(facts: Facts) -> Check:
    name = "The value is the one inside"
    row = sealed_row(facts)
    if row is None:
        outcome = Outcome.MISSING if facts.payload is None else Outcome.BROKEN
        return Check(name, outcome, "The frame could not be opened and read.")
    shown = (facts.reading.metric, facts.reading.t, facts.reading.value)
    if (row["metric"], row["t"], row["value"]) != shown:
        return Check(name, Outcome.BROKEN, f"The device sealed {row['value']:g}; the store says {shown[2]:g}.")
    if _sealed_heard(facts) != facts.heard:
        return Check(name, Outcome.BROKEN, "The gateway sealed another time of hearing than the store says.")
    return Check(name, Outcome.HOLDS, "Quantity, time and value are exactly those in the frame.")


def gateway_check(facts: Facts) -> Check:
    """Return whether the gateway had proved itself."""
    name = "A known gateway brought it"
    if facts.transcript is None:
        return Check(name, Outcome.MISSING, "The session that brought it is not on record.")
    if not facts.transcript.holds():
        return Check(name, Outcome.BROKEN, "The signature on record does not prove the gateway's key.")
    return Check(name, Outcome.HOLDS, "It proved its Ed25519 key over a fresh challenge when it connected.")


def root_check(facts: Facts) -> Check:
    """Return whether the frame's hash leads to its root."""
    name = "The frame is under a sealed root"
    if facts.stored is None or facts.place is None:
        return Check(name, Outcome.MISSING, UNCHECKED)
    if facts.stored.seal is None:
        return Check(name, Outcome.WAITING, "The next root will cover it, within seconds.")
    if facts.root is None and facts.unlogged:
        return Check(name, Outcome.WAITING, "Its root is made, and on its way into the log.")
    if facts.root is None:
        return Check(name, Outcome.MISSING, "The root that should cover it is not on record.")
    if not _leads_to_root(facts):
        return Check(name, Outcome.BROKEN, "The frame's hash does not lead to the root on record.")
    steps = len(path_of(facts.leaves, facts.index))
    return Check(name, Outcome.HOLDS, f"One of {len(facts.leaves)} frames; {steps} hashes lead from it to the root.")


def _leads_to_root(facts: Facts) -> bool:
    if facts.root is None or not 0 <= facts.index < len(facts.leaves):
        return False
    path = path_of(facts.leaves, facts.index)
    return leads_to(facts.root, facts.leaves[facts.index], facts.index, len(facts.leaves), path)


def sealed_readings(facts: Facts) -> NDArray[np.void] | None:
    """Return what the frame says when it is opened again, numbered as in the store: READING[n]."""
    if facts.payload is None or facts.frame is None:
        return None
    try:
        head = parse_header(facts.frame)
        rows = decode_readings(head.device, _split(facts.payload, head)[1])
    except (FrameError, ReadingError):
        return None
    if facts.number is not None and head.device == facts.number:
        rows["device"] = facts.reading.device
        rows["seq"] += np.uint64(seq_in(lane_of(facts.reading.seq), 0))
    return rows


def _split(payload: bytes, head: Header) -> tuple[list[Run], bytes]:
    plain = inflate(payload) if head.deflated else payload
    return split_heard(plain) if head.version == HEARD_VERSION else ([], plain)


def _sealed_heard(facts: Facts) -> float | None:
    """Return when the frame says that the gateway heard the reading."""
    if facts.payload is None or facts.frame is None or facts.stored is None or facts.place is None:
        return None
    nth = facts.reading.seq - int(facts.stored.group.entries["first"][facts.place])
    for count, at in _split(facts.payload, parse_header(facts.frame))[0]:
        if nth < count:
            return at
        nth -= count
    return None


def sealed_row(facts: Facts) -> np.void | None:
    """Return the reading of that number inside the frame."""
    rows = sealed_readings(facts)
    if rows is None:
        return None
    found = rows[(rows["seq"] == facts.reading.seq) & (rows["device"] == facts.reading.device)]
    return found[0] if len(found) else None
