"""The sealed frame: one header, one encrypted payload of readings or of one waveform block.

The layouts are pictured in docs/wire-protocol.md. This module lays bytes out and takes frames apart; it never sees a
key. All numbers are big endian. Opened payloads become arrays in `devices.protocol.decoding`: a gateway, which only
encodes, has no room for NumPy.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from devices.errors import FrameMalformed, FrameOversized, FrameTruncated, ReadingNotFinite
from devices.protocol.suites import Suite

if TYPE_CHECKING:
    from devices.protocol.samples import Samples

VERSION = 1
HEARD_VERSION = 2  # its payload says first when the gateway heard what it brings: devices.protocol.heard
HEADER_BYTES = 20
FLAG_DEFLATED = 1  # the payload of readings is in raw DEFLATE (RFC 1951)
NONCE_BYTES = 16
TAG_BYTES = 16
MAX_FRAME_BYTES = 16 * 1024
# Counters and sequence numbers stay below 2^63, so that every database keeps them in a signed 64-bit column.
LIMIT_63 = 1 << 63

_SUITES = frozenset(map(int, Suite))
READINGS_HEAD = struct.Struct(">QdH")  # base sequence, base time, count
READING_WIRE = struct.Struct(">Iif")  # metric, ms after the base time, value
WAVEFORM_HEAD = struct.Struct(">QdIIfH")  # sequence, start, metric, period in us, scale, count
_HEADER = struct.Struct(">4BIIQ")
_LENGTH = struct.Struct(">H")

MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - HEADER_BYTES - TAG_BYTES
MAX_READINGS = (MAX_PAYLOAD_BYTES - READINGS_HEAD.size) // READING_WIRE.size
MAX_SAMPLES = (MAX_PAYLOAD_BYTES - WAVEFORM_HEAD.size) // 2


class FrameKind(IntEnum):
    """What the payload holds."""

    READINGS = 1
    WAVEFORM = 2
    FACT = 3  # what the gateway did on its own; see devices.protocol.facts


class Header(NamedTuple):
    """The first 20 bytes of a frame: sent in the clear, protected by the tag."""

    kind: FrameKind
    device: int
    epoch: int
    counter: int
    suite: int = Suite.ASCON_AEAD128
    deflated: bool = False
    version: int = VERSION

    @property
    def raw(self) -> bytes:
        """The 20 bytes: the associated data of the seal."""
        first = (self.version, self.suite, self.kind, int(self.deflated))
        return _HEADER.pack(*first, self.device, self.epoch, self.counter)

    @property
    def nonce(self) -> bytes:
        """The 16 bytes device || epoch || counter; they never repeat under one key."""
        return self.raw[HEADER_BYTES - NONCE_BYTES :]


def parse_header(frame: bytes) -> Header:
    """Return the header of a frame whose tag is still unchecked.

    Raises FrameOversized, FrameTruncated, or FrameMalformed for an unknown version, cipher, kind, flag or counter.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise FrameOversized(f"a frame of {len(frame)} bytes is over the {MAX_FRAME_BYTES} that are allowed")
    if len(frame) < HEADER_BYTES + TAG_BYTES:
        raise FrameTruncated(f"a frame of {len(frame)} bytes has no room for header and tag")
    version, suite, kind, flags, device, epoch, counter = _HEADER.unpack_from(frame)
    known = version == VERSION or (version == HEARD_VERSION and kind != FrameKind.FACT)
    if not known or flags > (kind == FrameKind.READINGS) or suite not in _SUITES or kind not in (1, 2, 3):
        raise FrameMalformed(f"version {version}, cipher {suite}, kind {kind}, flags {flags} is not spoken here")
    if not 0 < counter < LIMIT_63:
        raise FrameMalformed(f"counter {counter} is outside 1..2^63-1")
    return Header(FrameKind(kind), device, epoch, counter, suite, flags == FLAG_DEFLATED, version)


def encode_readings(base_seq: int, metrics: Sequence[int], times: Sequence[float], values: Sequence[float]) -> bytes:
    """Return the payload of readings `base_seq`, `base_seq + 1`, ... with times in s since the Unix epoch.

    Times travel as whole milliseconds after the first one, values as float32.
    Raises FrameMalformed when there is nothing to send or a number does not fit, FrameOversized when there is too much.
    """
    if len(metrics) > MAX_READINGS:
        raise FrameOversized(f"{len(metrics)} readings do not fit one frame; {MAX_READINGS} do")
    if not 0 < len(metrics) == len(times) == len(values):
        raise FrameMalformed("readings need as many metrics as times and values, and at least one")
    if not 0 <= base_seq <= LIMIT_63 - len(metrics):
        raise FrameMalformed(f"sequence {base_seq} is outside 0..2^63-1")
    columns = zip(metrics, times, values, strict=True)
    try:
        body = b"".join(_reading(metric, round((t - times[0]) * 1000.0), value) for metric, t, value in columns)
    except (struct.error, ValueError, OverflowError) as error:
        raise FrameMalformed("the readings of one frame lie within 24 days, and a metric has 32 bits") from error
    return READINGS_HEAD.pack(base_seq, times[0], len(metrics)) + body


def _reading(metric: int, dt_ms: int, value: float) -> bytes:
    try:
        return READING_WIRE.pack(metric, dt_ms, value)
    except OverflowError:  # what float32 cannot hold becomes infinite, and the server refuses it by name
        return READING_WIRE.pack(metric, dt_ms, math.copysign(math.inf, value))


def metrics_of(payload: bytes) -> list[int]:
    """Return what a payload of readings tells of, in order. Raises as `readings_head`."""
    readings_head(payload)
    return [metric for metric, _, _ in READING_WIRE.iter_unpack(payload[READINGS_HEAD.size :])]


def join_readings(payloads: Sequence[bytes]) -> bytes:
    """Return one payload with the readings of several, whose sequence numbers must follow on each other.

    Raises FrameMalformed where they do not or lie too far apart, FrameOversized when they are too many. Times move by
    half a millisecond at most: join before the first of them is sent, never after, or one number has two contents.
    """
    metrics, times, values = [], [], []
    first, following = 0, None
    for payload in payloads:
        seq, base_t, count = readings_head(payload)
        if following not in (None, seq):
            raise FrameMalformed(f"sequence {seq} does not follow on {following}")
        first, following = (seq if following is None else first), seq + count
        for metric, dt_ms, value in READING_WIRE.iter_unpack(payload[READINGS_HEAD.size :]):
            metrics.append(metric)
            times.append(base_t + dt_ms / 1000.0)
            values.append(value)
    return encode_readings(first, metrics, times, values)


def deflate(payload: bytes) -> bytes:
    """Return a payload of readings in raw DEFLATE. Often longer than before when it holds one reading or two."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(payload) + packer.flush()


def inflate(packed: bytes) -> bytes:
    """Return what `deflate` was given.

    Raises FrameOversized for more than a frame can hold, however little it was packed into, and FrameMalformed for
    what is no DEFLATE, ends early, or goes on after its end.
    """
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        payload = unpacker.decompress(packed, MAX_PAYLOAD_BYTES)
    except zlib.error as error:
        raise FrameMalformed("the payload is no DEFLATE") from error
    if unpacker.unconsumed_tail:
        raise FrameOversized(f"the payload unpacks to more than {MAX_PAYLOAD_BYTES} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise FrameMalformed("the deflated payload ends early, or goes on after its end")
    return payload


def readings_head(payload: bytes) -> tuple[int, float, int]:
    """Return base sequence, base time and count. Raises FrameTruncated, FrameMalformed or ReadingNotFinite."""
    if len(payload) < READINGS_HEAD.size:
        raise FrameTruncated("the payload ends inside its head")
    base_seq, base_t, count = READINGS_HEAD.unpack_from(payload)
    check_body(len(payload) - READINGS_HEAD.size, count, READING_WIRE.size)
    if base_seq > LIMIT_63 - count:
        raise FrameMalformed(f"sequence {base_seq} is outside 0..2^63-1")
    if not math.isfinite(base_t):
        raise ReadingNotFinite("the base time is not a number")
    return base_seq, base_t, count


def check_body(body_bytes: int, count: int, item_bytes: int) -> None:
    """Raise FrameTruncated or FrameMalformed unless the body holds just the items that were announced."""
    if body_bytes < count * item_bytes:
        raise FrameTruncated(f"{count} items announced, {body_bytes // item_bytes} there")
    if count == 0 or body_bytes != count * item_bytes:
        raise FrameMalformed(f"{count} items announced, {body_bytes} bytes there")


def encode_waveform(seq: int, metric: int, t0: float, period_s: float, scale: float, samples: Samples) -> bytes:
    """Return the payload of one block; samples: int16[n]. Raises FrameMalformed or FrameOversized."""
    if len(samples) > MAX_SAMPLES:
        raise FrameOversized(f"{len(samples)} samples do not fit one frame; {MAX_SAMPLES} do")
    period_us = round(period_s * 1e6)
    if not len(samples) or not 0 < period_us < 2**32 or not 0 <= seq < LIMIT_63:
        raise FrameMalformed("a block needs samples, a period of 1 us to 71 min, and a sequence number")
    head = WAVEFORM_HEAD.pack(seq, t0, metric, period_us, scale, len(samples))
    return head + struct.pack(f">{len(samples)}h", *samples.tolist())


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
