"""Counting frames and bytes of a batch."""

from __future__ import annotations

import numpy as np

from devices.energy.traffic import traffic_of
from devices.protocol.frames import FrameKind, Header
from devices.telemetry import READING, ReadingBatch, Waveform, group_frames

FRAMES = [(7, 54 + 36), (7, 31 + 36), (9, 30 + 36)]  # device, bytes with header and tag; the second one is deflated


def readings(*devices: int) -> np.ndarray:
    rows = np.zeros(len(devices), READING)
    rows["device"] = devices
    rows["seq"] = np.arange(len(devices))
    return rows


def test_runs_of_one_device_are_frames():
    traffic = traffic_of(ReadingBatch(readings(7, 7, 7, 9, 7), gateway_of={7: 1, 9: 2}))
    assert (traffic[7].messages, traffic[7].readings, traffic[7].gateway) == (2, 4, 1)
    assert traffic[7].payload_bytes == 2 * 18 + 4 * 12
    assert (traffic[9].messages, traffic[9].payload_bytes, traffic[9].gateway) == (1, 18 + 12, 2)


def test_a_waveform_block_is_a_frame_of_its_own():
    block = Waveform(7, 1, 5, 0.0, 0.004, 0.01, np.zeros(250, np.int16))
    traffic = traffic_of(ReadingBatch(readings(7), (block,), gateway_of={7: 1}))
    assert traffic[7].messages == 2
    assert traffic[7].payload_bytes == 18 + 12 + 30 + 500


def test_a_device_that_sent_only_waveforms_is_counted():
    block = Waveform(4, 1, 5, 0.0, 0.004, 0.01, np.zeros(10, np.int16))
    traffic = traffic_of(ReadingBatch(readings(), (block,), gateway_of={4: 3}))
    assert (traffic[4].messages, traffic[4].gateway, traffic[4].bursts) == (1, 3, 1)


def test_an_empty_batch_counts_nothing():
    assert traffic_of(ReadingBatch(readings())) == {}


def test_the_frames_themselves_are_counted_where_they_are_there():
    frames = [Header(FrameKind.READINGS, device, 1, 1).raw + bytes(length - 20) for device, length in FRAMES]
    group = group_frames(frames, np.array([1, 4, 1], np.uint64), np.array([3, 2, 1], np.intp), [bytes(32)] * 3)
    traffic = traffic_of(ReadingBatch(readings(7, 7, 7, 7, 7, 9), gateway_of={7: 1, 9: 2}, frames=group))
    assert (traffic[7].messages, traffic[7].payload_bytes, traffic[7].readings) == (2, 54 + 31, 5)
    assert (traffic[9].messages, traffic[9].payload_bytes, traffic[9].gateway) == (1, 30, 2)
