"""Reading a glucose monitor: session, backlog from the last minute that we have, then live."""

from __future__ import annotations

import asyncio

from devices.bluetooth.central.records import RecordReader, Sluice
from devices.bluetooth.central.talk import Talk
from devices.bluetooth.central.vitals import Listener
from devices.bluetooth.codec.cgm import (
    GlucoseFeature,
    GlucoseMeasurement,
    decode_measurements,
    decode_session_start,
)
from devices.bluetooth.codec.medical_float import as_value
from devices.bluetooth.uuids import GLUCOSE, GLUCOSE_FEATURE, GLUCOSE_START, RECORD_ACCESS
from devices.kinds.gatt import GLUCOSE_MONITORING as SERVICE

MINUTE_S = 60.0
NO_SESSION_BEFORE = 946_684_800.0  # a sensor that was not started says 1970 or 2000


class GlucoseListener(Listener):
    """Glucose by the sensor's own time: session start and minutes."""

    def __init__(self, talk: Talk) -> None:
        super().__init__(talk)
        self._crc = False
        self._start: float | None = None
        self._sluice: Sluice[GlucoseMeasurement] | None = None
        self._records: RecordReader | None = None
        self._new_session = asyncio.Event()

    async def begin(self) -> None:
        """Read the features, subscribe, and read the session."""
        self._crc = GlucoseFeature.decode(await self.talk.read(SERVICE, GLUCOSE_FEATURE)).crc
        await self.talk.subscribe(self.talk.need(SERVICE, GLUCOSE), self._received)
        self._records = RecordReader(self.talk, self.talk.need(SERVICE, RECORD_ACCESS), width=2)
        await self._records.open()
        await self._read_session()

    async def attend(self) -> None:
        """Read the session again whenever the sensor seems to have begun another one."""
        while True:
            await self._new_session.wait()
            self._new_session.clear()
            await self._read_session()

    async def _read_session(self) -> None:
        start = decode_session_start(await self.talk.read(SERVICE, GLUCOSE_START), crc=self._crc)
        if start.t < NO_SESSION_BEFORE or self._records is None:
            return
        if start.t != self._start:
            self._start = start.t
            mark = self.talk.inbox.mark(self.talk.device_id, self._stream)
            self._sluice = Sluice(mark, self._passed, gapless=False)
        sluice = self._sluice
        if sluice is not None:
            sluice.filling()
            await self._records.report_after(sluice.mark)
            sluice.complete()

    @property
    def _stream(self) -> str:
        return f"181f:{int(self._start or 0)}"

    def _received(self, value: bytes) -> None:
        for measurement in decode_measurements(value, crc=self._crc):
            if self._records is not None:
                self._records.alive()
            if self._sluice is None or (self._sluice.mark is not None and measurement.offset_min < self._sluice.mark):
                self._new_session.set()  # the backlog of the new session brings this measurement again
            else:
                self._sluice.put(measurement.offset_min, measurement)

    def _passed(self, offset_min: int, measurement: GlucoseMeasurement) -> None:
        t = (self._start or 0.0) + offset_min * MINUTE_S
        value = as_value(measurement.mg_dl)
        self.talk.put(self.talk.believe(lambda: self.talk.sample("glucose", value, t)), {self._stream: offset_min})
