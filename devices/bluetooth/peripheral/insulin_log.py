"""The history of an insulin pump and its record access: events with sequence numbers, reference times in between."""

from __future__ import annotations

import asyncio
from collections import deque

from bumble.gatt import Characteristic

from devices.bluetooth.codec.insulin import Annunciation, Attention, next_counter, opened, protected
from devices.bluetooth.codec.insulin_control import (
    HistoryAnswer,
    HistoryRequest,
    RecordFilter,
    RecordOp,
    RecordOperator,
    RecordResult,
)
from devices.bluetooth.codec.insulin_history import (
    AnnunciationChanged,
    BasalRateChanged,
    BolusDelivered,
    BolusKind,
    Context,
    Event,
    HistoryRecord,
    ReferenceTime,
    ReservoirChanged,
)
from devices.bluetooth.codec.moments import LocalMoment
from devices.bluetooth.errors import OverAirRefused
from devices.bluetooth.peripheral.base import Port

CAPACITY = 20_000
REFERENCE_EVERY_S = 1800.0
RESERVOIR_STEP_U = 0.5
ALARMS = {
    1: Annunciation.OCCLUSION,
    2: Annunciation.RESERVOIR_EMPTY,
    3: Annunciation.MECHANICAL_ISSUE,  # air in the line: the service has no code for it
    4: Annunciation.BATTERY_LOW,
}


class InsulinLog:
    """Events of one pump, oldest first."""

    def __init__(self, port: Port, history: Characteristic[bytes], records: Characteristic[bytes]) -> None:
        self._port, self._history, self._point = port, history, records
        self._stored: deque[HistoryRecord] = deque(maxlen=CAPACITY)
        self._number = 0
        self._reference: float | None = None
        self._rate: float | None = None
        self._left: float | None = None
        self._alarm = 0
        self._boluses = self._annunciations = 0
        self._counter = 0
        self._running: asyncio.Task[None] | None = None
        self.annunciation: AnnunciationChanged | None = None

    @property
    def alarmed(self) -> bool:
        """Whether an alarm is active."""
        return bool(self._alarm)

    def rate(self, t: float, u_per_h: float) -> bool:
        """Note the basal rate. Returns whether it changed."""
        if u_per_h == self._rate:
            return False
        self._add(t, BasalRateChanged(self._rate or 0.0, u_per_h, Context.DEVICE))
        self._rate = u_per_h
        return True

    def bolus(self, t: float, units: float) -> None:
        """Note a bolus that ended."""
        self._boluses = self._boluses % 0xFFFF + 1
        self._add(t, BolusDelivered(self._boluses, BolusKind.FAST, units, 0.0))

    def reservoir(self, t: float, left_u: float) -> bool:
        """Note what is left. Returns whether it is worth an event."""
        if self._left is not None and abs(left_u - self._left) < RESERVOIR_STEP_U:
            return False
        self._add(t, ReservoirChanged(left_u))
        self._left = left_u
        return True

    def alarm(self, t: float, alarm: int) -> bool:
        """Note the alarm. Returns whether it changed."""
        if alarm == self._alarm:
            return False
        if alarm:
            self._annunciations = self._annunciations % 0xFFFF + 1
        kind = ALARMS[alarm or self._alarm]
        attention = Attention.PENDING if alarm else Attention.CONFIRMED
        self.annunciation = AnnunciationChanged(self._annunciations, kind, attention)
        self._add(t, self.annunciation)
        self._alarm = alarm
        return True

    def _add(self, t: float, event: Event) -> None:
        at = float(int(t))  # the clock of the service has whole seconds
        if self._reference is None or not 0 <= at - self._reference < REFERENCE_EVERY_S:
            self._reference = at
            self._store(0, ReferenceTime(LocalMoment(at)))
        self._store(int(at - self._reference), event)

    def _store(self, offset_s: int, event: Event) -> None:
        # Numbers begin at the time, so that a pump that is emulated anew never uses one of its earlier life again.
        self._number = self._number + 1 if self._number else int(self._reference or 1)
        self._stored.append(HistoryRecord(self._number, offset_s, event))

    def asked(self, value: bytes) -> None:
        """Answer a request at the record access control point."""
        try:
            request = HistoryRequest.decode(opened(value)[0])
        except OverAirRefused:
            self._answer(HistoryAnswer(RecordOp.REPORT, RecordResult.INVALID_OPERAND))
            return
        if request.op is RecordOp.ABORT:
            if self._running is not None:
                self._running.cancel()
            self._answer(HistoryAnswer(request.op, RecordResult.SUCCESS))
        elif request.op is RecordOp.COUNT:
            self._answer(HistoryAnswer(count=len(self._selected(request))))
        elif request.op is not RecordOp.REPORT:
            self._answer(HistoryAnswer(request.op, RecordResult.OP_NOT_SUPPORTED))
        elif request.operator is RecordOperator.NULL:
            self._answer(HistoryAnswer(request.op, RecordResult.INVALID_OPERATOR))
        elif self._running is not None and not self._running.done():
            self._answer(HistoryAnswer(request.op, RecordResult.NOT_COMPLETED))
        else:
            self._running = self._port.spawn(self._report(self._selected(request)))

    def _selected(self, request: HistoryRequest) -> list[HistoryRecord]:
        records = [record for record in self._stored if request.selects(record.number)]
        if request.filter in (RecordFilter.REFERENCE_TIMES, RecordFilter.OTHERS):
            wanted = request.filter is RecordFilter.REFERENCE_TIMES
            records = [record for record in records if isinstance(record.event, ReferenceTime) == wanted]
        if request.operator is RecordOperator.FIRST:
            return records[:1]
        return records[-1:] if request.operator is RecordOperator.LAST else records

    async def _report(self, records: list[HistoryRecord]) -> None:
        for record in records:
            self._counter = next_counter(self._counter)
            await self._port.notify(self._history, record.encode(self._counter))
            await asyncio.sleep(0)  # an abort must get its turn
        result = RecordResult.SUCCESS if records else RecordResult.NO_RECORDS
        await self._answered(HistoryAnswer(RecordOp.REPORT, result))

    def _answer(self, answer: HistoryAnswer) -> None:
        self._port.spawn(self._answered(answer))

    async def _answered(self, answer: HistoryAnswer) -> None:
        self._counter = next_counter(self._counter)
        await self._port.indicate(self._point, protected(answer.encode(), self._counter))
