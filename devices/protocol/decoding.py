"""Opened payloads as arrays: the readings of many frames at once, and blocks of waveforms.

The server's half of `devices.protocol.frames`, apart from it because a gateway only encodes and has no room for NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.errors import FrameMalformed, FrameTruncated, ReadingNotFinite
from devices.protocol.frames import LIMIT_63, READINGS_HEAD, WAVEFORM_HEAD, check_body, readings_head
from devices.telemetry.batch import READING, Waveform

_WIRE_READING = np.dtype([("metric", ">u4"), ("dt_ms", ">i4"), ("value", ">f4")])


class Decoded(NamedTuple):
    """What `decode_readings_many` made of several payloads.

    readings: READING[n]. frame_of: intp[n], which payload each reading came from. refused: payload index -> its error.
    kept: the payloads that are not refused, with the first sequence number and the number of readings of each.
    """

    readings: NDArray[np.void]
    frame_of: NDArray[np.intp]
    refused: dict[int, FrameMalformed | ReadingNotFinite]
    kept: list[int]
    first: NDArray[np.uint64]
    counts: NDArray[np.intp]


def decode_readings_many(devices: Sequence[int], payloads: Sequence[bytes]) -> Decoded:
    """Return the readings of many opened frames in one array; a payload that does not add up is refused alone.

    devices: the device id of each payload, from its header.
    """
    heads, kept, bodies = [], [], []
    refused: dict[int, FrameMalformed | ReadingNotFinite] = {}
    for index, payload in enumerate(payloads):
        try:
            heads.append(readings_head(payload))
        except (FrameMalformed, ReadingNotFinite) as error:
            refused[index] = error
            continue
        kept.append(index)
        bodies.append(payload[READINGS_HEAD.size :])
    wire = np.frombuffer(b"".join(bodies), _WIRE_READING)
    counts = np.array([head[2] for head in heads], np.intp)
    frame_of = np.repeat(np.array(kept, np.intp), counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    readings = np.empty(len(wire), READING)
    readings["device"] = np.asarray(devices, np.uint32)[frame_of] if len(wire) else 0
    readings["metric"] = wire["metric"]
    first = np.array([head[0] for head in heads], np.uint64)
    base_seq = np.repeat(first, counts)
    readings["seq"] = base_seq + (np.arange(len(wire)) - starts).astype(np.uint64)
    readings["t"] = np.repeat(np.array([head[1] for head in heads], np.float64), counts) + wire["dt_ms"] / 1000.0
    readings["value"] = wire["value"]
    return Decoded(readings, frame_of, refused, kept, first, counts)


def decode_readings(device: int, payload: bytes) -> NDArray[np.void]:
    """Return the readings of one opened frame: READING[n].

    Raises FrameTruncated or FrameMalformed when length and count disagree, ReadingNotFinite for a base time like NaN.
    """
    decoded = decode_readings_many([device], [payload])
    if decoded.refused:
        raise decoded.refused[0]
    return decoded.readings


def decode_waveform(device: int, payload: bytes) -> Waveform:
    """Return the block of one opened frame.

    Raises FrameTruncated or FrameMalformed when it does not add up, ReadingNotFinite for a start or scale like NaN.
    """
    if len(payload) < WAVEFORM_HEAD.size:
        raise FrameTruncated("the payload ends inside its head")
    seq, t0, metric, period_us, scale, count = WAVEFORM_HEAD.unpack_from(payload)
    check_body(len(payload) - WAVEFORM_HEAD.size, count, 2)
    if seq >= LIMIT_63 or period_us == 0:
        raise FrameMalformed("a block needs a period and a sequence number below 2^63")
    if not (math.isfinite(t0) and math.isfinite(scale)):
        raise ReadingNotFinite("the start or the scale of a block is not a number")
    samples = np.frombuffer(payload, ">i2", offset=WAVEFORM_HEAD.size).astype(np.int16)
    return Waveform(device, metric, seq, t0, period_us / 1e6, scale, samples)
