"""From opened frames to a batch that may be stored: what cannot be true is dropped and counted, the rest is kept."""

from __future__ import annotations

from collections import Counter

import numpy as np

from compliance.errors import DomainError
from devices.services.directory import KnownDevice
from devices.services.opening import Opened
from devices.services.plausibility import REFUSALS, judge_readings, judge_waveform
from devices.services.refusals import Refusals
from devices.telemetry import ReadingBatch


def judge(opened: Opened, refusals: Refusals, now: float) -> ReadingBatch:
    """Return the plausible readings and waveforms of a group; note the others in `refusals`."""
    devices = {known.device_id: known for known in opened.senders.values()}
    bad: Counter[tuple[int, int]] = Counter()
    verdict = judge_readings(opened.readings, opened.kinds, now)
    readings = opened.readings
    if verdict.any():
        wrong = np.flatnonzero(verdict)
        bad.update(zip(readings["device"][wrong].tolist(), verdict[wrong].tolist(), strict=True))
        readings = readings[verdict == 0]
    waveforms = []
    for block in opened.waveforms:
        if found := judge_waveform(block, devices[block.device].kind, now):
            bad[block.device, found] += 1
        else:
            waveforms.append(block)
    for (device_id, code), count in bad.items():
        if error := REFUSALS[code]:
            note_for(devices[device_id], error(), refusals, count)
    gateway_of = {device: known.gateway_id for device, known in devices.items()}
    return ReadingBatch(readings, tuple(waveforms), now, gateway_of)


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
