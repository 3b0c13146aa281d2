"""Opens a group of sealed frames: is each from a device of its gateway, new, authentic and sound?

Whatever fails is refused alone, by name; the rest of the group goes on. Replay windows move only on a copy: the caller
keeps them when the commit succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.errors import (
    FrameCipherRefused,
    FrameEpochUnknown,
    FrameError,
    FrameForged,
    FrameFromWrongDevice,
    FrameMalformed,
    ReadingError,
)
from devices.protocol.decoding import decode_readings_many, decode_waveform
from devices.protocol.facts import ToldFact, decode_fact
from devices.protocol.frames import HEADER_BYTES, HEARD_VERSION, FrameKind, Header, inflate, parse_header
from devices.protocol.heard import Run, check_counts, split_heard
from devices.protocol.replay import ReplayWindow
from devices.protocol.suites import SuiteCiphers
from devices.services.directory import KnownDevice
from devices.telemetry import READING, StoredWindow, Waveform
from devices.telemetry.lanes import LANE_BITS, seq_in

Windows = dict[int, tuple[int, ReplayWindow]]  # number on the wire -> key epoch and window
MOST_NUMBER = (1 << LANE_BITS) - (1 << 16)  # of the first reading of a frame, so that its last stays in the lane, too


@dataclass(slots=True)
class Opened:
    """What became of a group of frames.

    readings: READING[n] of every accepted frame, with kinds intp[n] beside it. headers: one per frame, None where it
    cannot be read. errors: frame index -> why it was refused. kept: the accepted frames of readings, with the first
    sequence number and the number of readings of each.
    """

    readings: NDArray[np.void]
    kinds: NDArray[np.intp]
    waveforms: list[Waveform]
    headers: list[Header | None]
    errors: dict[int, FrameError | ReadingError]
    moved: Windows = field(default_factory=dict)
    senders: dict[int, KnownDevice] = field(default_factory=dict)  # who sealed the accepted frames, as in `moved`
    kept: list[int] = field(default_factory=list)
    first: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    counts: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    waved: list[int] = field(default_factory=list)  # the accepted frames of waveform blocks, beside `waveforms`
    heard: dict[int, list[Run]] = field(default_factory=dict)  # frame index -> when its gateway heard what it brings
    told: list[tuple[int, ToldFact]] = field(default_factory=list)  # accepted frames of facts, with what they say

    def stored_windows(self) -> list[StoredWindow]:
        """Return the windows that moved, as the store keeps them."""
        return stored(self.moved)


def stored(windows: Windows) -> list[StoredWindow]:
    """Return windows as the store keeps them."""
    return [StoredWindow(device, epoch, *window) for device, (epoch, window) in windows.items()]


def open_frames(
    frames: Sequence[bytes],
    gateways: Sequence[int],
    devices: Mapping[int, KnownDevice],
    windows: Windows,
    ciphers: SuiteCiphers,
) -> Opened:
    """Open `frames`, the i-th of which came from gateway `gateways[i]`."""
    opened = Opened(np.empty(0, READING), np.empty(0, np.intp), [], [None] * len(frames), {})
    waiting = _screen(frames, gateways, devices, windows, opened)
    suites, keys, nonces, heads, sealed = [], [], [], [], []
    for index, known in waiting:
        frame = frames[index]
        suites.append(known.suite)
        keys.append(known.key)
        nonces.append(frame[4:HEADER_BYTES])
        heads.append(frame[:HEADER_BYTES])
        sealed.append(frame[HEADER_BYTES:])
    plaintexts = ciphers.open_batch(suites, keys, nonces, heads, sealed)
    _decode(_authentic(waiting, plaintexts, windows, opened), opened)
    return opened


def _screen(
    frames: Sequence[bytes],
    gateways: Sequence[int],
    devices: Mapping[int, KnownDevice],
    windows: Windows,
    opened: Opened,
) -> list[tuple[int, KnownDevice]]:
    """Refuse what needs no key to be refused; return the frames worth opening with their devices."""
    waiting = []
    for index, frame in enumerate(frames):
        try:
            header = opened.headers[index] = parse_header(frame)
            known = devices.get(header.device)
            if known is None or known.gateway_id != gateways[index]:
                raise FrameFromWrongDevice
            if header.epoch != known.epoch:
                raise FrameEpochUnknown(f"the frame's key epoch {header.epoch} is not {known.epoch}, the current one")
            if header.suite != known.suite:
                raise FrameCipherRefused(f"cipher {header.suite} is not {known.suite}, this device's")
            epoch, window = windows.get(header.device, (0, ReplayWindow()))
            if epoch == header.epoch and not window.admits(header.counter):
                window.accept(header.counter)  # raises, with the sentence
        except FrameError as error:
            opened.errors[index] = error
            continue
        waiting.append((index, known))
    return waiting


def _authentic(
    waiting: Sequence[tuple[int, KnownDevice]], plaintexts: Sequence[bytes | None], windows: Windows, opened: Opened
) -> list[tuple[int, KnownDevice, bytes]]:
    """Move the replay windows over the frames whose tag is right; a counter that repeats inside the group fails."""
    kept = []
    for (index, known), plaintext in zip(waiting, plaintexts, strict=True):
        header = opened.headers[index]
        if plaintext is None or header is None:
            opened.errors[index] = FrameForged()
            continue
        device = known.number
        epoch, window = opened.moved.get(device) or windows.get(device, (0, ReplayWindow()))
        try:
            moved = (window if epoch == known.epoch else ReplayWindow()).accept(header.counter)
        except FrameError as error:
            opened.errors[index] = error
            continue
        opened.moved[device] = (known.epoch, moved)
        opened.senders[device] = known
        kept.append((index, known, plaintext))
    return kept


def _decode(kept: Sequence[tuple[int, KnownDevice, bytes]], opened: Opened) -> None:
    """Take the payloads apart, all frames of readings in one go."""
    scalar = []
    for index, known, plaintext in kept:
        header = opened.headers[index]
        try:
            if header is not None and header.kind is FrameKind.READINGS:
                payload = inflate(plaintext) if header.deflated else plaintext
                payload = _take_heard(index, header, payload, opened)
                _check_number(int.from_bytes(payload[:8], "big"))
                scalar.append((index, known, payload))
                continue
            if header is not None and header.kind is FrameKind.FACT:
                opened.told.append((index, _of_device(decode_fact(known.number, plaintext), known)))
                continue
            payload = plaintext if header is None else _take_heard(index, header, plaintext, opened)
            block = decode_waveform(known.device_id, payload)
            _check_number(block.seq)
            opened.waveforms.append(replace(block, seq=seq_in(known.lane, block.seq)) if known.lane else block)
            opened.waved.append(index)
        except (FrameError, ReadingError) as error:
            opened.errors[index] = error
    decoded = decode_readings_many([known.device_id for _, known, _ in scalar], [text for _, _, text in scalar])
    opened.readings = decoded.readings
    opened.kinds = np.array([known.kind for _, known, _ in scalar], np.intp)[decoded.frame_of]
    opened.errors.update({scalar[position][0]: refused for position, refused in decoded.refused.items()})
    opened.kept = [scalar[position][0] for position in decoded.kept]
    opened.first, opened.counts = decoded.first, decoded.counts
    lanes = np.array([known.lane for _, known, _ in scalar], np.uint64) << np.uint64(LANE_BITS)
    if lanes.any():
        opened.readings["seq"] += lanes[decoded.frame_of]
        opened.first = opened.first + lanes[decoded.kept]


def _take_heard(index: int, header: Header, payload: bytes, opened: Opened) -> bytes:
    """Note when the gateway heard what a frame brings, where it says so; return the payload behind that."""
    if header.version != HEARD_VERSION:
        return payload
    runs, rest = split_heard(payload)
    check_counts(runs, int.from_bytes(rest[16:18], "big") if header.kind is FrameKind.READINGS else 1)
    opened.heard[index] = runs
    return rest


def _check_number(number: int) -> None:
    """Raise FrameMalformed for a number that would lie in the lane of another path."""
    if number > MOST_NUMBER:
        raise FrameMalformed(f"sequence {number} is outside 0..2^{LANE_BITS}-2^16")


def _of_device(told: ToldFact, known: KnownDevice) -> ToldFact:
    """Return what a further gateway told of its path as a fact of the device."""
    if not known.lane:
        return told
    return told._replace(fact=msgspec.structs.replace(told.fact, device_id=known.device_id))
