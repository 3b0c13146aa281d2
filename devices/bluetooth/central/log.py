"""Reading a Medtwin Measurement Log: records after the last one that we have, then live ones and waveforms."""

from __future__ import annotations

from array import array

from devices.bluetooth.central.records import RecordReader, Sluice
from devices.bluetooth.central.talk import Talk
from devices.bluetooth.central.vitals import Listener
from devices.bluetooth.codec.log import LogFeature, LogRecord, WavePiece
from devices.bluetooth.uuids import LOG_FEATURE, LOG_RECORD, LOG_WAVE, RECORD_ACCESS
from devices.emulator.plant import Block
from devices.kinds.gatt import MEASUREMENT_LOG as SERVICE
from devices.kinds.registry import by_code


class LogListener(Listener):
    """Numbered measurements with their own time."""

    def __init__(self, talk: Talk) -> None:
        super().__init__(talk)
        self._stream = ""
        self._sluice: Sluice[LogRecord] | None = None
        self._records: RecordReader | None = None

    async def begin(self) -> None:
        """Learn which log this is, subscribe, and read what is newer than our mark."""
        feature = LogFeature.decode(await self.talk.read(SERVICE, LOG_FEATURE))
        self._stream = f"log:{feature.log}"
        mark = self.talk.inbox.mark(self.talk.device_id, self._stream)
        self._sluice = sluice = Sluice(mark, self._passed, gapless=True)
        self._records = RecordReader(self.talk, self.talk.need(SERVICE, RECORD_ACCESS), width=4)
        await self.talk.subscribe(self.talk.need(SERVICE, LOG_RECORD), self._received)
        await self._records.open()
        await self._records.report_after(mark)
        sluice.complete()
        wave = self.talk.find(SERVICE, LOG_WAVE)
        if wave is not None:
            await self.talk.subscribe(wave, self._waved)

    def _received(self, value: bytes) -> None:
        record = LogRecord.decode(value)
        if self._records is not None and self._sluice is not None:
            self._records.alive()
            self._sluice.put(record.number, record)

    def _passed(self, number: int, record: LogRecord) -> None:
        found = self.talk.believe(lambda: self.talk.coded(record.metric, record.value, record.t))
        self.talk.put(found, {self._stream: number})

    def _waved(self, value: bytes) -> None:
        piece = WavePiece.decode(value)
        # The same checks as a reading's: a known metric, a value that can be true, a clock that is not absurd.
        self.talk.coded(piece.metric, piece.samples[0] * piece.scale, piece.t)
        code, samples = by_code(piece.metric).code, array("h", piece.samples)
        self.talk.put([Block(self.talk.device_id, code, piece.t, piece.period_us / 1e6, piece.scale, samples)])
