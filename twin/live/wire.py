"""What travels through the broker: groups of readings as raw arrays, and small notes as JSON.

A group is one message however many readings it has, so that publishing costs microseconds a group and not a reading.
Each publisher numbers its groups: a subscriber that sees a number missing knows that it missed readings, and reads the
store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.telemetry import READING, ReadingBatch, Waveform
from twin.live.messages import AlertMessage, Moved, Narrowed, Notice

Note = AlertMessage | Notice | Narrowed | Moved


class Channels(NamedTuple):
    """The two channels. Publish and subscribe knows no databases, so the database's number is in the names."""

    readings: str
    notes: str


def channels_of(database: int) -> Channels:
    """Return the channels of the installation that uses this database of the broker."""
    return Channels(f"medtwin:{database}:readings", f"medtwin:{database}:notes")


class Block(msgspec.Struct, array_like=True):
    """A waveform block. samples: little-endian int16."""

    device: int
    metric: int
    seq: int
    t0: float
    period_s: float
    scale: float
    samples: bytes

    @classmethod
    def of(cls, block: Waveform) -> Block:
        """Return the block ready to travel."""
        samples = block.samples.astype("<i2").tobytes()
        return cls(block.device, block.metric, block.seq, block.t0, block.period_s, block.scale, samples)

    @property
    def values(self) -> list[float]:
        """The samples in the metric's unit, rounded to four digits after the scale's first."""
        return [round(value, 4) for value in (np.frombuffer(self.samples, "<i2") * self.scale).tolist()]


class Group(msgspec.Struct, array_like=True):
    """Readings of several commits. publisher, number: whose n-th message this is. parts: (received, READING bytes)."""

    publisher: int
    number: int
    parts: list[tuple[float, bytes]]
    blocks: list[Block]

    def readings(self) -> tuple[NDArray[np.void], NDArray[np.float64]]:
        """Return READING[n] and the time of receipt of each, float64[n]."""
        arrays = [np.frombuffer(raw, READING) for _, raw in self.parts]
        if not arrays:
            return np.empty(0, READING), np.empty(0)
        received = np.repeat([at for at, _ in self.parts], [len(array) for array in arrays])
        return np.concatenate(arrays), received


_decoder = msgspec.msgpack.Decoder(Group)
_note_decoder = msgspec.json.Decoder(dict[str, Any])


def encode_group(publisher: int, number: int, batches: Sequence[ReadingBatch]) -> bytes:
    """Return one message of several commits."""
    parts = [(batch.received_at, batch.readings.tobytes()) for batch in batches if len(batch.readings)]
    blocks = [Block.of(block) for batch in batches for block in batch.waveforms]
    return msgspec.msgpack.encode(Group(publisher, number, parts, blocks))


def decode_group(message: bytes) -> Group:
    """Return what `encode_group` made. Raises msgspec.DecodeError."""
    return _decoder.decode(message)


def encode_note(note: Note) -> bytes:
    """Return a note ready to travel."""
    return msgspec.json.encode(note)


def decode_note(message: bytes) -> Note:
    """Return what `encode_note` made. Raises msgspec.DecodeError."""
    return cast(Note, _note_decoder.decode(message))
