"""Opens a group of sealed frames: is each from a device of its gateway, new, authentic and sound?

Whatever fails is refused alone, by name; the rest of the group goes on. Replay windows move only on a copy: the caller
keeps them when the commit succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from devices.errors import FrameEpochUnknown, FrameError, FrameForged, FrameFromWrongDevice, ReadingError
from devices.protocol.ascon import AeadBackend
from devices.protocol.frames import HEADER_BYTES, FrameKind, Header, decode_readings_many, decode_waveform, parse_header
from devices.protocol.replay import ReplayWindow
from devices.services.directory import KnownDevice
from devices.telemetry import READING, StoredWindow, Waveform

Windows = dict[int, tuple[int, ReplayWindow]]  # device id -> key epoch and window


@dataclass(slots=True)
class Opened:
    """What became of a group of frames.

    readings: READING[n] of every accepted frame, with kinds intp[n] beside it. headers: one per frame, None where it
    cannot be read. errors: frame index -> why it was refused.
    """

    readings: NDArray[np.void]
    kinds: NDArray[np.intp]
    waveforms: list[Waveform]
    headers: list[Header | None]
    errors: dict[int, FrameError | ReadingError]
    moved: Windows = field(default_factory=dict)

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
    cipher: AeadBackend,
) -> Opened:
    """Open `frames`, the i-th of which came from gateway `gateways[i]`."""
    opened = Opened(np.empty(0, READING), np.empty(0, np.intp), [], [None] * len(frames), {})
    waiting = _screen(frames, gateways, devices, windows, opened)
    keys, nonces, heads, sealed = [], [], [], []
    for index, known in waiting:
        frame = frames[index]
        keys.append(known.key)
        nonces.append(frame[4:HEADER_BYTES])
        heads.append(frame[:HEADER_BYTES])
        sealed.append(frame[HEADER_BYTES:])
    plaintexts = cipher.open_batch(keys, nonces, heads, sealed)
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
        device = known.device_id
        epoch, window = opened.moved.get(device) or windows.get(device, (0, ReplayWindow()))
        try:
            moved = (window if epoch == known.epoch else ReplayWindow()).accept(header.counter)
        except FrameError as error:
            opened.errors[index] = error
            continue
        opened.moved[device] = (known.epoch, moved)
        kept.append((index, known, plaintext))
    return kept


def _decode(kept: Sequence[tuple[int, KnownDevice, bytes]], opened: Opened) -> None:
    """Take the payloads apart, all frames of readings in one go."""
    scalar = []
    for index, known, plaintext in kept:
        header = opened.headers[index]
        if header is not None and header.kind is FrameKind.READINGS:
            scalar.append((index, known, plaintext))
            continue
        try:
            opened.waveforms.append(decode_waveform(known.device_id, plaintext))
        except (FrameError, ReadingError) as error:
            opened.errors[index] = error
    decoded = decode_readings_many([known.device_id for _, known, _ in scalar], [text for _, _, text in scalar])
    opened.readings = decoded.readings
    opened.kinds = np.array([known.kind for _, known, _ in scalar], np.intp)[decoded.frame_of]
    opened.errors.update({scalar[position][0]: refused for position, refused in decoded.refused.items()})
