"""The sealed frames of one commit as the store keeps them beside their readings: what proves a reading later.

One row per commit holds them all. A reading finds its frame without an index of its own: it carries the time at which
its group was received, and inside the group the entry says which sequence numbers of which device a frame brought.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HASH_BYTES = 32
WAVES = 0x8000  # marks the entries of waveform frames, beside the place of their session
NO_BYTES = b"\0"  # stands where their bytes would be, so that the store tells them from frames that were let go
# What a frame brought. first, count: its sequence numbers; session: the place of its gateway's session in the group.
ENTRY = np.dtype(
    [
        ("device", "<u4"),
        ("epoch", "<u4"),
        ("counter", "<u8"),
        ("first", "<u8"),
        ("count", "<u2"),
        ("length", "<u2"),
        ("session", "<u2"),
    ]
)
# When its gateway heard what a frame brought, by the gateway's clock: so many readings in a row at one time.
HEARD = np.dtype([("place", "<u2"), ("count", "<u2"), ("at", "<f8")])
# A frame's header in the clear; see devices.protocol.frames.
HEADER = np.dtype(
    [
        *((name, "u1") for name in ("version", "suite", "kind", "flags")),
        *(("device", ">u4"), ("epoch", ">u4"), ("counter", ">u8")),
    ]
)


@dataclass(frozen=True, slots=True)
class FrameGroup:
    """The frames of readings that one commit stored.

    entries: ENTRY[n]. hashes: n times SHA-256 of a frame. sessions: digests of the sessions that brought them, 32 bytes
    each. frames: the sealed bytes one after the other, None once they were let go. heard: HEARD[k], of those that say
    it.
    """

    entries: NDArray[np.void]
    hashes: bytes
    sessions: bytes
    frames: bytes | None
    heard: NDArray[np.void] = field(default_factory=lambda: np.empty(0, HEARD))

    def __len__(self) -> int:
        return len(self.entries)

    def place_of(self, device: int, seq: int) -> int | None:
        """Return which frame brought that reading of the device; the first that did."""
        first = self.entries["first"]
        found = (self.entries["device"] == device) & (first <= seq) & (seq - first < self.entries["count"])
        places = np.flatnonzero(found)
        return int(places[0]) if len(places) else None

    def heard_at(self, place: int, seq: int) -> float | None:
        """Return when its gateway heard that reading of a frame, s since the Unix epoch; None where it did not say."""
        runs = self.heard[self.heard["place"] == place]
        nth = seq - int(self.entries["first"][place])
        run = int(np.searchsorted(np.cumsum(runs["count"]), nth, side="right"))
        return float(runs["at"][run]) if run < len(runs) else None

    @property
    def of_waveforms(self) -> bool:
        """Tell whether these are hashes of waveform frames, which go with the samples."""
        return bool((self.entries["session"] & WAVES).all())

    def frame(self, place: int) -> bytes | None:
        """Return the bytes of one frame as they came.

        None when its time is over, its person was erased, or it brought a waveform.
        """
        if self.frames is None or not self.entries["length"][place]:
            return None
        start = int(self.entries["length"][:place].sum())
        return self.frames[start : start + int(self.entries["length"][place])]

    def hash_of(self, place: int) -> bytes:
        """Return the SHA-256 that was kept of one frame."""
        return self.hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES]

    def session_of(self, place: int) -> bytes:
        """Return the digest of the session that brought one frame."""
        at = (int(self.entries["session"][place]) & ~WAVES) * HASH_BYTES
        return self.sessions[at : at + HASH_BYTES]

    def leaves(self) -> list[bytes]:
        """Return what is committed to, frame by frame: SHA-256 of the frame || digest of the session."""
        return [self.hash_of(place) + self.session_of(place) for place in range(len(self))]


class StoredGroup(NamedTuple):
    """A group as stored. received: server time, s since the Unix epoch; seal: None until a root commits to it."""

    number: int
    received: float
    seal: str | None
    group: FrameGroup


class Seal(NamedTuple):
    """One Merkle root over the frames of several groups, in the order of their numbers."""

    name: str  # a UUID: two stores never give the same
    root: bytes
    frames: int
    first_received: float
    last_received: float


def group_frames(
    frames: Sequence[bytes],
    first: NDArray[np.uint64],
    counts: NDArray[np.intp],
    sessions: Sequence[bytes],
    heard: Sequence[Sequence[tuple[int, float]]] = (),
    *,
    waveforms: bool = False,
) -> FrameGroup:
    """Return frames as they are kept. `first` and `counts` say which sequence numbers each brought.

    sessions: digest of the session that brought each frame. heard: of each frame the runs of readings that its gateway
    heard at one time, how many and when, where it says so. Of frames with `waveforms` the hash is kept and not the
    bytes: sealing is deterministic, so that the stored samples give the bytes again.
    """
    heads = np.frombuffer(b"".join([frame[: HEADER.itemsize] for frame in frames]), HEADER)
    order: dict[bytes, int] = {}
    entries = np.empty(len(frames), ENTRY)
    for name in ("device", "epoch", "counter"):
        entries[name] = heads[name]
    entries["first"], entries["count"] = first, counts
    entries["length"] = 0 if waveforms else [len(frame) for frame in frames]
    mark = WAVES if waveforms else 0
    entries["session"] = [order.setdefault(digest, len(order)) | mark for digest in sessions]
    hashes = b"".join([hashlib.sha256(frame).digest() for frame in frames])
    runs = np.array([(place, *run) for place, said in enumerate(heard) for run in said], HEARD)
    return FrameGroup(entries, hashes, b"".join(order), NO_BYTES if waveforms else b"".join(frames), runs)


def read_group(
    entries: bytes, hashes: bytes, sessions: bytes, frames: bytes | None, heard: bytes | None = None
) -> FrameGroup:
    """Return a group from the bytes that a store keeps.

    Bytes that somebody else changed are read as far as they go: they will not fit their root, which is how it is told.
    """
    said = heard or b""
    return FrameGroup(_rows(entries, ENTRY), hashes, sessions, frames, _rows(said, HEARD))


def _rows(raw: bytes, of: np.dtype[np.void]) -> NDArray[np.void]:
    return np.frombuffer(raw[: len(raw) - len(raw) % of.itemsize], of)
