"""The sealed frame: one header, one encrypted payload of readings or of one waveform block.

The layouts are pictured in docs/wire-protocol.md. This module lays bytes out and takes
them apart; it never sees a key. All numbers are big endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.errors import FrameMalformed, FrameOversized, FrameTruncated, ReadingNotFinite
from devices.telemetry.batch import READING, Waveform

VERSION = 1
SUITE_ASCON_AEAD128 = 1
HEADER_BYTES = 20
NONCE_BYTES = 16
TAG_BYTES = 16
MAX_FRAME_BYTES = 16 * 1024
# Counters and sequence numbers stay below 2^63, so that every database keeps them in a signed 64-bit column.
LIMIT_63 = 1 << 63

_HEADER = struct.Struct(">4BIIQ")
_READINGS_HEAD = struct.Struct(">QdH")
_WAVEFORM_HEAD = struct.Struct(">QdIIfH")
_LENGTH = struct.Struct(">H")
_WIRE_READING = np.dtype([("metric", ">u4"), ("dt_ms", ">i4"), ("value", ">f4")])

MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - HEADER_BYTES - TAG_BYTES
MAX_READINGS = (MAX_PAYLOAD_BYTES - _READINGS_HEAD.size) // _WIRE_READING.itemsize
MAX_SAMPLES = (MAX_PAYLOAD_BYTES - _WAVEFORM_HEAD.size) // 2


class FrameKind(IntEnum):
    """What the payload holds."""

    READINGS = 1
    WAVEFORM = 2


class Header(NamedTuple):
    """The first 20 bytes of a frame: sent in the clear, protected by the tag."""

    kind: FrameKind
    device: int
    epoch: int
    counter: int

    @property
    def raw(self) -> bytes:
        """The 20 bytes: the associated data of the seal."""
        return _HEADER.pack(VERSION, SUITE_ASCON_AEAD128, self.kind, 0, self.device, self.epoch, self.counter)

    @property
    def nonce(self) -> bytes:
        """The 16 bytes device || epoch || counter; they never repeat under one key."""
        return self.raw[HEADER_BYTES - NONCE_BYTES :]


class Decoded(NamedTuple):
    """What `decode_readings_many` made of several payloads.

    readings: READING[n]. frame_of: intp[n], which payload each reading came from. refused: payload index -> its error.
    """

    readings: NDArray[np.void]
    frame_of: NDArray[np.intp]
    refused: dict[int, FrameMalformed | ReadingNotFinite]


def parse_header(frame: bytes) -> Header:
    """Return the header of a frame whose tag is still unchecked.

    Raises FrameOversized, FrameTruncated, or FrameMalformed for an unknown version, cipher, kind, flag or counter.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise FrameOversized(f"a frame of {len(frame)} bytes is over the {MAX_FRAME_BYTES} that are allowed")
    if len(frame) < HEADER_BYTES + TAG_BYTES:
        raise FrameTruncated(f"a frame of {len(frame)} bytes has no room for header and tag")
    version, suite, kind, flags, device, epoch, counter = _HEADER.unpack_from(frame)
    if (version, suite, flags) != (VERSION, SUITE_ASCON_AEAD128, 0) or kind not in (1, 2):
        raise FrameMalformed(f"version {version}, cipher {suite}, kind {kind}, flags {flags} is not spoken here")
    if not 0 < counter < LIMIT_63:
        raise FrameMalformed(f"counter {counter} is outside 1..2^63-1")
    return Header(FrameKind(kind), device, epoch, counter)


def encode_readings(base_seq: int, metrics: Sequence[int], times: Sequence[float], values: Sequence[float]) -> bytes:
    """Return the payload of readings `base_seq`, `base_seq + 1`, ... with times in s since the Unix epoch.

    Times travel as whole milliseconds after the first one, values as float32.
    Raises FrameMalformed when there is nothing to send or a number does not fit, FrameOversized when there is too much.
    """
    if len(metrics) > MAX_READINGS:
        raise FrameOversized(f"{len(metrics)} readings do not fit one frame; {MAX_READINGS} do")
    if not 0 < len(metrics) == len(times) == len(values):
        raise FrameMalformed("readings need as many metrics as times and values, and at least one")
    body = np.empty(len(metrics), _WIRE_READING)
    with np.errstate(invalid="ignore"):
        dt_ms = np.rint((np.asarray(times) - times[0]) * 1000.0)
    if not (np.abs(dt_ms) < 2**31).all():
        raise FrameMalformed("the readings of one frame lie within 24 days")
    if not 0 <= base_seq <= LIMIT_63 - len(metrics):
        raise FrameMalformed(f"sequence {base_seq} is outside 0..2^63-1")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and the server refuses it by name
        body["metric"], body["dt_ms"], body["value"] = metrics, dt_ms, values
    return _READINGS_HEAD.pack(base_seq, times[0], len(metrics)) + body.tobytes()


def decode_readings_many(devices: Sequence[int], payloads: Sequence[bytes]) -> Decoded:
    """Return the readings of many opened frames in one array; a payload that does not add up is refused alone.

    devices: the device id of each payload, from its header.
    """
    heads, kept, bodies = [], [], []
    refused: dict[int, FrameMalformed | ReadingNotFinite] = {}
    for index, payload in enumerate(payloads):
        try:
            heads.append(_readings_head(payload))
        except (FrameMalformed, ReadingNotFinite) as error:
            refused[index] = error
            continue
        kept.append(index)
        bodies.append(payload[_READINGS_HEAD.size :])
    wire = np.frombuffer(b"".join(bodies), _WIRE_READING)
    counts = np.array([head[2] for head in heads], np.intp)
    frame_of = np.repeat(np.array(kept, np.intp), counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    readings = np.empty(len(wire), READING)
    readings["device"] = np.asarray(devices, np.uint32)[frame_of] if len(wire) else 0
    readings["metric"] = wire["metric"]
    base_seq = np.repeat(np.array([head[0] for head in heads], np.uint64), counts)
    readings["seq"] = base_seq + (np.arange(len(wire)) - starts).astype(np.uint64)
    readings["t"] = np.repeat(np.array([head[1] for head in heads], np.float64), counts) + wire["dt_ms"] / 1000.0
    readings["value"] = wire["value"]
    return Decoded(readings, frame_of, refused)


def decode_readings(device: int, payload: bytes) -> NDArray[np.void]:
    """Return the readings of one opened frame: READING[n].

    Raises FrameTruncated or FrameMalformed when length and count disagree, ReadingNotFinite for a base time like NaN.
    """
    decoded = decode_readings_many([device], [payload])
    if decoded.refused:
        raise decoded.refused[0]
    return decoded.readings


def _readings_head(payload: bytes) -> tuple[int, float, int]:
    if len(payload) < _READINGS_HEAD.size:
        raise FrameTruncated("the payload ends inside its head")
    base_seq, base_t, count = _READINGS_HEAD.unpack_from(payload)
    _check_body(len(payload) - _READINGS_HEAD.size, count, _WIRE_READING.itemsize)
    if base_seq > LIMIT_63 - count:
        raise FrameMalformed(f"sequence {base_seq} is outside 0..2^63-1")
    if not math.isfinite(base_t):
        raise ReadingNotFinite("the base time is not a number")
    return base_seq, base_t, count


def _check_body(body_bytes: int, count: int, item_bytes: int) -> None:
    if body_bytes < count * item_bytes:
        raise FrameTruncated(f"{count} items announced, {body_bytes // item_bytes} there")
    if count == 0 or body_bytes != count * item_bytes:
        raise FrameMalformed(f"{count} items announced, {body_bytes} bytes there")


def encode_waveform(block: Waveform) -> bytes:
    """Return the payload of one block. Raises FrameMalformed or FrameOversized."""
    if len(block.samples) > MAX_SAMPLES:
        raise FrameOversized(f"{len(block.samples)} samples do not fit one frame; {MAX_SAMPLES} do")
    period_us = round(block.period_s * 1e6)
    if not len(block.samples) or not 0 < period_us < 2**32 or not 0 <= block.seq < LIMIT_63:
        raise FrameMalformed("a block needs samples, a period of 1 us to 71 min, and a sequence number")
    head = _WAVEFORM_HEAD.pack(block.seq, block.t0, block.metric, period_us, block.scale, len(block.samples))
    return head + block.samples.astype(">i2").tobytes()


def decode_waveform(device: int, payload: bytes) -> Waveform:
    """Return the block of one opened frame.

    Raises FrameTruncated or FrameMalformed when it does not add up, ReadingNotFinite for a start or scale like NaN.
    """
    if len(payload) < _WAVEFORM_HEAD.size:
        raise FrameTruncated("the payload ends inside its head")
    seq, t0, metric, period_us, scale, count = _WAVEFORM_HEAD.unpack_from(payload)
    _check_body(len(payload) - _WAVEFORM_HEAD.size, count, 2)
    if seq >= LIMIT_63 or period_us == 0:
        raise FrameMalformed("a block needs a period and a sequence number below 2^63")
    if not (math.isfinite(t0) and math.isfinite(scale)):
        raise ReadingNotFinite("the start or the scale of a block is not a number")
    samples = np.frombuffer(payload, ">i2", offset=_WAVEFORM_HEAD.size).astype(np.int16)
    return Waveform(device, metric, seq, t0, period_us / 1e6, scale, samples)


def join_frames(frames: Iterable[bytes]) -> bytes:
    """Return one binary message: each frame after its length."""
    return b"".join(_LENGTH.pack(len(frame)) + frame for frame in frames)


def split_frames(message: bytes) -> list[bytes]:
    """Return the frames of one binary message. Raises FrameTruncated when the last length points past the end."""
    frames, at, end = [], 0, len(message)
    while at < end:
        if at + _LENGTH.size > end:
            raise FrameTruncated("the message ends inside a length")
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack_from(message, at)[0]
        if at > end:
            raise FrameTruncated("the message ends inside a frame")
        frames.append(message[start:at])
    return frames
