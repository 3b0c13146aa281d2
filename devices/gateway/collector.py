"""Asks the devices what they measured, gathers it into batches per device, and puts these on the queue."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from devices.emulator.plant import Block, Marked, Plant, Sample
from devices.errors import FrameError
from devices.gateway.queue import Batch, DiskQueue, QueueUnusable
from devices.kinds.registry import Urgency, urgency_of
from devices.protocol.facts import QUIET, Fact, FactKind, encode_fact
from devices.protocol.frames import FrameKind, encode_readings, encode_waveform

log = logging.getLogger(__name__)

# Looks at what was measured, at the world's time, and returns what there is to tell the server beside it.
Watch = Callable[[list[Sample], float], Iterable[Fact]]
Thin = Callable[[Iterable[Sample | Block]], list[Sample | Block]]  # keeps what is to be sent
MAX_HELD = 50_000  # measurements kept in memory while the disk refuses them


class Collector:
    """One plant and its way onto the queue."""

    def __init__(
        self,
        plant: Plant,
        queue: DiskQueue,
        *,
        readings_per_frame: int = 20,
        watch: Watch | None = None,
        thin: Thin = list,
    ) -> None:
        self._plant = plant
        self._queue = queue
        self._per_frame = readings_per_frame
        self._next_seqs = queue.next_seqs()
        self._held: list[Sample | Block | Fact] = []
        self._watch, self._thin = watch, thin
        self._last_fact = 0
        self._marks: dict[tuple[int, str], int] = {}

    @property
    def held(self) -> int:
        """How many measurements wait in memory, because the disk takes none."""
        return len(self._held)

    def collect(self, t: float) -> int:
        """Advance the plant to `t` (s since the Unix epoch), store what it measured, and return the number of batches.

        While the disk is full, measurements wait in memory and are stored as soon as it takes them.
        """
        measured = list(self._known(self._plant.advance(t)))
        if isinstance(self._plant, Marked):
            self._marks.update(self._plant.take_marks())
        self._held.extend(self._thin(measured))
        if self._watch is not None:  # before the disk is asked: a full disk must not keep a pump running
            self._held.extend(self._watch([one for one in measured if isinstance(one, Sample)], t))
        if not self._held and not self._marks:
            return 0
        next_seqs = dict(self._next_seqs)
        batches = list(self._pack(next_seqs))
        try:
            self._queue.append(batches, next_seqs, marks=self._marks)
        except QueueUnusable as error:
            self._held = most_urgent(self._held, MAX_HELD)
            log.error("event=queue_unusable held=%d reason=%r", len(self._held), error.message)
            return 0
        self._held.clear()
        self._marks.clear()
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
            elif isinstance(one, Fact):
                yield from self._fact(one)
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
        # One frame, one urgency: that of its most urgent reading. Splitting would seal a header for each.
        yield Batch(device, FrameKind.READINGS, payload, urgency=urgency_of(columns[0]))

    def _fact(self, fact: Fact) -> Iterable[Batch]:
        # Numbers of their own, microseconds: those of readings run without a gap, which is how a lost one would show.
        self._last_fact = max(self._last_fact + 1, time.time_ns() // 1000)
        try:
            payload = encode_fact(self._last_fact, fact)
        except FrameError as error:
            log.error("event=fact_unusable device=%d reason=%r", fact.device_id, str(error))
            return
        yield Batch(fact.device_id, FrameKind.FACT, payload, urgency=urgency_of_fact(fact))

    def _waveform(self, block: Block, next_seqs: dict[int, int]) -> Iterable[Batch]:
        device = block.device_id
        try:
            payload = encode_waveform(
                next_seqs[device], block.metric_code, block.t0, block.period_s, block.scale, block.samples
            )
        except FrameError as error:
            log.error("event=block_unusable device=%d reason=%r", device, error.message)
            return
        next_seqs[device] += 1
        yield Batch(device, FrameKind.WAVEFORM, payload, urgency=Urgency.BULK)


def urgency_of_fact(fact: Fact) -> Urgency:
    """Insulin that was stopped or given back is as much a dose event as insulin that was given."""
    if fact.kind in QUIET or fact.kind is FactKind.SET:
        return Urgency.TELEMETRY
    return Urgency.DOSE if fact.kind in (FactKind.ACTED, FactKind.RESUMED) else Urgency.ALARM


def most_urgent(measured: list[Sample | Block | Fact], most: int) -> list[Sample | Block | Fact]:
    """Return at most `most` measurements in their order: the most urgent, of those equally urgent the newest."""
    if len(measured) <= most:
        return measured
    ranked = sorted(range(len(measured)), key=lambda i: (_urgency_of(measured[i]), -i))
    return [measured[i] for i in sorted(ranked[:most])]


def _urgency_of(one: Sample | Block | Fact) -> Urgency:
    return urgency_of_fact(one) if isinstance(one, Fact) else urgency_of([one.metric_code])
