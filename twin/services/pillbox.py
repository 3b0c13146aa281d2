"""From a pillbox's readings to intakes: keeps the last hour of each box, and records every finished opening once.

It runs before the readings are committed and acknowledged. Killed in between, the same readings come again and find
either the intake recorded or the box's past in the telemetry store; recording twice changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from compliance.adherence.episodes import Sample, Sensor, episodes
from compliance.adherence.fusion import Episode
from compliance.models import Patient
from compliance.services.intakes import record_pillbox_episode
from devices.kinds.registry import by_key
from devices.selectors.worn import span_at
from devices.services.telemetry import store
from devices.telemetry.batch import ReadingBatch

SENSORS = {
    by_key("lid_open").code: Sensor.LID,
    by_key("hand_present").code: Sensor.HAND,
    by_key("tray_weight").code: Sensor.WEIGHT,
}
CODES = np.array(sorted(SENSORS), dtype=np.uint32)
KEPT_S = 3600.0  # longer than the longest opening and the slowest weighing together


class Box:
    """What is remembered of one pillbox: its samples by `seq`, and which openings are recorded."""

    def __init__(self, past: Iterable[Sample]) -> None:
        self.samples = {sample.seq: sample for sample in past}
        self.recorded: set[int] = set()

    def finished(self) -> list[Episode]:
        """Return the finished episodes that are not recorded yet."""
        if not any(self._opens(sample) for sample in self.samples.values()):
            return []  # nearly always: a box at rest weighs itself once a minute
        return [episode for episode in episodes(self.samples.values()) if episode.opened_seq not in self.recorded]

    def _opens(self, sample: Sample) -> bool:
        return sample.sensor is Sensor.LID and sample.value >= 0.5 and sample.seq not in self.recorded

    def forget(self) -> None:
        """Drop what is too old to belong to an opening still to come."""
        newest = max(sample.t for sample in self.samples.values())
        self.samples = {seq: sample for seq, sample in self.samples.items() if sample.t >= newest - KEPT_S}
        self.recorded &= self.samples.keys()


class PillboxWatch:
    """The boxes whose readings this process writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._boxes: dict[int, Box] = {}

    def receive(self, batch: ReadingBatch) -> None:
        """Record the intakes that a commit group completes. Raises what the database raises: then nothing counts."""
        readings = batch.readings[np.isin(batch.readings["metric"], CODES)]
        if not len(readings):
            return
        now = datetime.fromtimestamp(batch.received_at, tz=UTC) if batch.received_at else datetime.now(tz=UTC)
        with self._lock:
            for device_id in batch.shared:  # another process may have stored a part of this opening
                self._boxes.pop(device_id, None)
            for device_id in np.unique(readings["device"]).tolist():
                self._receive_box(device_id, readings[readings["device"] == device_id], now)

    def _receive_box(self, device_id: int, readings: NDArray[np.void], now: datetime) -> None:
        box = self._boxes.get(device_id)
        if box is None:
            box = self._boxes[device_id] = Box(_past(device_id, float(readings["t"].min())))
        fields = (readings[name].tolist() for name in ("seq", "t", "metric", "value"))
        for seq, t, metric, value in zip(*fields, strict=True):
            box.samples[seq] = Sample(seq, t, SENSORS[metric], value)
        finished = box.finished()
        if finished:
            _record(device_id, finished, now)
            box.recorded |= {episode.opened_seq for episode in finished}
        box.forget()

    def reload(self) -> None:
        """Forget everything: the next readings fetch a box's past from the store again."""
        with self._lock:
            self._boxes.clear()


def _past(device_id: int, t: float) -> list[Sample]:
    """Return what the store holds of the hour before `t`: this process may just have started."""
    rows = store().history([device_id], SENSORS, t - KEPT_S, t + KEPT_S)
    return [Sample(row.seq, row.t, SENSORS[row.metric], row.value) for row in rows]


def _record(device_id: int, finished: list[Episode], now: datetime) -> None:
    for episode in finished:
        span = span_at(device_id, episode.opened_at)
        wearer = None if span is None else span.patient
        if wearer is None:
            continue  # a box that belongs to nobody proves nothing about anybody
        patient = Patient.objects.get(pk=wearer)
        record_pillbox_episode(patient=patient, device_id=device_id, episode=episode, now=now)


pillbox_watch = PillboxWatch()
