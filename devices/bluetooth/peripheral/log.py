"""The Medtwin Measurement Log of an emulated device: a ring of numbered records, and live waveforms."""

from __future__ import annotations

import secrets
from collections import deque

from bumble.gatt import Service

from devices.bluetooth.codec.log import MAX_SAMPLES, LogFeature, LogRecord, WavePiece
from devices.bluetooth.peripheral.base import NOTIFY, READ, Port, characteristic
from devices.bluetooth.peripheral.records import RecordAccess
from devices.bluetooth.uuids import LOG_FEATURE, LOG_RECORD, LOG_WAVE, uuid
from devices.emulator.plant import Block, Sample
from devices.kinds.gatt import MEASUREMENT_LOG

CAPACITY = 20_000


class LogSensor:
    """Keeps the newest records and notifies each as it comes."""

    def __init__(self, port: Port, *, capacity: int = CAPACITY) -> None:
        self._port = port
        self._log = secrets.randbits(32)
        self._newest = 0
        self._records: deque[tuple[int, bytes]] = deque(maxlen=capacity)
        self._record = characteristic(LOG_RECORD, NOTIFY)
        self._wave = characteristic(LOG_WAVE, NOTIFY)
        access = RecordAccess(port, self._record, lambda: self._records, width=4)
        feature = characteristic(LOG_FEATURE, READ, read=self._feature)
        self.service = Service(uuid(MEASUREMENT_LOG), [feature, self._record, self._wave, access.point])

    def measured(self, one: Sample | Block) -> bool:
        """Log a scalar; send a waveform to whoever listens."""
        if isinstance(one, Block):
            self._send_wave(one)
            return True
        self._newest += 1
        message = LogRecord(self._newest, one.t, one.metric_code, one.value).encode()
        self._records.append((self._newest, message))
        self._port.spawn(self._port.notify(self._record, message))
        return True

    def listened(self) -> None:
        """Records are asked for."""

    def _feature(self) -> bytes:
        return LogFeature(self._log, self._records.maxlen or 0, self._newest).encode()

    def _send_wave(self, block: Block) -> None:
        if not self._port.listens(self._wave):
            return
        samples = block.samples.tolist()
        for at in range(0, len(samples), MAX_SAMPLES):
            piece = WavePiece(
                block.t0 + at * block.period_s,
                block.metric_code,
                round(block.period_s * 1e6),
                block.scale,
                tuple(samples[at : at + MAX_SAMPLES]),
            )
            self._port.spawn(self._port.notify(self._wave, piece.encode()))
