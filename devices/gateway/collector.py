"""Asks the devices what they measured, gathers it into batches per device, and puts these on the queue."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping

from devices.emulator.plant import Block, Plant, Sample
from devices.errors import FrameError
from devices.gateway.queue import Batch, DiskQueue, QueueUnusable
from devices.protocol.frames import FrameKind, encode_readings, encode_waveform
from devices.telemetry.batch import Waveform

log = logging.getLogger(__name__)

MAX_HELD = 50_000  # measurements kept in memory while the disk refuses them


class Collector:
    """One plant and its way onto the queue."""

    def __init__(self, plant: Plant, queue: DiskQueue, *, readings_per_frame: int = 20) -> None:
        self._plant = plant
        self._queue = queue
        self._per_frame = readings_per_frame
        self._next_seqs = queue.next_seqs()
        self._held: deque[Sample | Block] = deque(maxlen=MAX_HELD)

    def collect(self, t: float) -> int:
        """Advance the plant to `t` (s since the Unix epoch), store what it measured, and return the number of batches.

        While the disk is full, measurements wait in memory and are stored as soon as it takes them.
        """
        self._held.extend(self._known(self._plant.advance(t)))
        if not self._held:
            return 0
        next_seqs = dict(self._next_seqs)
        batches = list(self._pack(next_seqs))
        try:
            self._queue.append(batches, next_seqs)
        except QueueUnusable as error:
            log.error("event=queue_unusable held=%d reason=%r", len(self._held), error.message)
            return 0
        self._held.clear()
        self._next_seqs = next_seqs
        return len(batches)

    def _known(self, measured: Iterable[Sample | Block]) -> Iterable[Sample | Block]:
        for one in measured:
            if one.device_id in self._next_seqs:
                yield one
            else:
                log.error("event=device_unknown device=%d", one.device_id)

    def _pack(self, next_seqs: dict[int, int]) -> Iterable[Batch]:
        """Yield the batches of what is held, in order per device, and move `next_seqs` on."""
        scalars: Mapping[int, list[Sample]] = defaultdict(list)
        for one in self._held:
            if isinstance(one, Sample):
                scalars[one.device_id].append(one)
            else:
                yield from self._waveform(one, next_seqs)
        for device, samples in scalars.items():
            for start in range(0, len(samples), self._per_frame):
                yield from self._readings(device, samples[start : start + self._per_frame], next_seqs)

    def _readings(self, device: int, samples: list[Sample], next_seqs: dict[int, int]) -> Iterable[Batch]:
        columns = [s.metric_code for s in samples], [s.t for s in samples], [s.value for s in samples]
        try:
            payload = encode_readings(next_seqs[device], *columns)
        except FrameError as error:
            if len(samples) == 1:
                log.error("event=sample_unusable device=%d reason=%r", device, error.message)
                return
            for sample in samples:  # one impossible time must not cost its neighbours
                yield from self._readings(device, [sample], next_seqs)
            return
        next_seqs[device] += len(samples)
        yield Batch(device, FrameKind.READINGS, payload)

    def _waveform(self, block: Block, next_seqs: dict[int, int]) -> Iterable[Batch]:
        device = block.device_id
        wave = Waveform(
            device, block.metric_code, next_seqs[device], block.t0, block.period_s, block.scale, block.samples
        )
        try:
            payload = encode_waveform(wave)
        except FrameError as error:
            log.error("event=block_unusable device=%d reason=%r", device, error.message)
            return
        next_seqs[device] += 1
        yield Batch(device, FrameKind.WAVEFORM, payload)
