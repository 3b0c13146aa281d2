"""How much each device sent, read off a committed batch: cheap enough for the ingest writer's own thread.

The frames themselves say how many there were and how long. Where a batch carries none, frames are told from the order
of arrival: readings of one frame stand together, so that every run of one device counts as one frame, and two that
arrive back to back count as one. Sizes then follow the frame layout (docs/wire-protocol.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.energy.cost import SEAL_BYTES
from devices.protocol.frames import READING_WIRE, READINGS_HEAD, WAVEFORM_HEAD
from devices.telemetry.batch import ReadingBatch
from devices.telemetry.frames import FrameGroup

SAMPLE_BYTES = 2


@dataclass(slots=True)
class Traffic:
    """What one device sent. payload_bytes: plaintext of its frames. bursts: batches in which it appeared."""

    gateway: int = 0
    messages: int = 0
    payload_bytes: int = 0
    readings: int = 0
    bursts: int = 0

    def add(self, other: Traffic) -> None:
        """Add what `other` counted."""
        self.gateway = other.gateway
        self.messages += other.messages
        self.payload_bytes += other.payload_bytes
        self.readings += other.readings
        self.bursts += other.bursts


def traffic_of(batch: ReadingBatch) -> dict[int, Traffic]:
    """Return device id -> what it sent in this batch."""
    found = _readings(batch)
    for block in batch.waveforms:
        sent = found.setdefault(block.device, Traffic(bursts=1))
        sent.messages += 1
        sent.payload_bytes += WAVEFORM_HEAD.size + SAMPLE_BYTES * len(block.samples)
        sent.readings += 1
    for device, sent in found.items():
        sent.gateway = batch.gateway_of.get(device, 0)
    return found


def _readings(batch: ReadingBatch) -> dict[int, Traffic]:
    return _of_frames(batch.frames) if batch.frames is not None else _of_runs(batch)


def _of_frames(frames: FrameGroup) -> dict[int, Traffic]:
    entries = frames.entries
    ids, place, messages = np.unique(entries["device"], return_inverse=True, return_counts=True)
    sizes = np.bincount(place, entries["length"].astype(np.int64) - SEAL_BYTES, len(ids)).astype(np.int64)
    readings = np.bincount(place, entries["count"], len(ids)).astype(np.int64)
    columns = zip(ids.tolist(), messages.tolist(), sizes.tolist(), readings.tolist(), strict=True)
    return {device: Traffic(0, count, size, read, 1) for device, count, size, read in columns}


def _of_runs(batch: ReadingBatch) -> dict[int, Traffic]:
    devices = batch.readings["device"]
    if not len(devices):
        return {}
    starts = np.concatenate(([0], np.flatnonzero(np.diff(devices)) + 1))
    ids, readings = np.unique(devices, return_counts=True)
    frames = np.unique(devices[starts], return_counts=True)[1]
    sizes = frames * READINGS_HEAD.size + readings * READING_WIRE.size
    columns = zip(ids.tolist(), frames.tolist(), sizes.tolist(), readings.tolist(), strict=True)
    return {device: Traffic(0, count, size, read, 1) for device, count, size, read in columns}
