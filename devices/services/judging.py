"""From opened frames to a batch that may be stored: what cannot be true is dropped and counted, the rest is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from compliance.errors import DomainError
from devices.services.directory import KnownDevice
from devices.services.opening import Opened
from devices.services.plausibility import REFUSALS, judge_readings, judge_waveform
from devices.services.refusals import Refusals
from devices.telemetry import ReadingBatch
from devices.telemetry.lanes import lane_of

Lane = tuple[int, int]  # device id and lane: which of its gateways, where several hear a device


def judge(opened: Opened, refusals: Refusals, now: float) -> ReadingBatch:
    """Return the plausible readings and waveforms of a group; note the others in `refusals`."""
    lanes = by_lane(opened.senders)
    bad: Counter[tuple[Lane, int]] = Counter()
    verdict = judge_readings(opened.readings, opened.kinds, now)
    readings = opened.readings
    if verdict.any():
        wrong = np.flatnonzero(verdict)
        devices, seqs = readings["device"][wrong].tolist(), readings["seq"][wrong].tolist()
        bad.update(
            ((device, lane_of(seq)), code)
            for device, seq, code in zip(devices, seqs, verdict[wrong].tolist(), strict=True)
        )
        readings = readings[verdict == 0]
    waveforms = []
    for block in opened.waveforms:
        lane = block.device, lane_of(block.seq)
        if found := judge_waveform(block, lanes[lane].kind, now):
            bad[lane, found] += 1
        else:
            waveforms.append(block)
    for (lane, code), count in bad.items():
        if error := REFUSALS[code]:
            note_for(lanes[lane], error(), refusals, count)
    gateway_of = {known.device_id: known.gateway_id for known in opened.senders.values()}
    return ReadingBatch(readings, tuple(waveforms), now, gateway_of)


def by_lane(senders: Mapping[int, KnownDevice]) -> dict[Lane, KnownDevice]:
    """Return who sent, by device and lane: what one gateway got wrong is not to be noted of another one."""
    return {(known.device_id, known.lane): known for known in senders.values()}


def note_for(known: KnownDevice, error: DomainError, refusals: Refusals, count: int = 1) -> None:
    """Note a refusal that concerns a device of the registry."""
    refusals.note(
        error,
        count=count,
        device_id=known.device_id,
        gateway_id=known.gateway_id,
        patient_id=known.patient_id,
        ward_id=known.ward_id,
    )
