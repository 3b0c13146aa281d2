"""Reading an insulin pump: the events since the last one that we have, and its status from time to time."""

from __future__ import annotations

import asyncio
import contextlib

from devices.bluetooth.central.records import Sluice
from devices.bluetooth.central.talk import ControlPoint, Talk
from devices.bluetooth.central.vitals import Listener
from devices.bluetooth.codec.insulin import (
    Annunciation,
    AnnunciationStatus,
    Attention,
    CounterWatch,
    InsulinStatus,
    decode_changed,
    next_counter,
    protected,
)
from devices.bluetooth.codec.insulin_control import (
    BasalDelivery,
    Delivered,
    HistoryAnswer,
    HistoryRequest,
    ReaderOp,
    RecordFilter,
    RecordOp,
    RecordOperator,
    RecordResult,
    Reply,
    decode_reply,
    encode_request,
)
from devices.bluetooth.codec.insulin_history import (
    AnnunciationChanged,
    BasalRateChanged,
    BolusDelivered,
    HistoryRecord,
    ReferenceTime,
    ReservoirChanged,
)
from devices.bluetooth.codec.medical_float import Number, as_value
from devices.bluetooth.errors import MessageMalformed, ProcedureFailed, ValueImpossible
from devices.bluetooth.uuids import (
    INSULIN_ANNUNCIATION,
    INSULIN_CHANGED,
    INSULIN_HISTORY,
    INSULIN_READER,
    INSULIN_RECORDS,
    INSULIN_STATUS,
)
from devices.emulator.plant import Sample
from devices.kinds.gatt import INSULIN_DELIVERY as SERVICE

POLL_S = 60.0  # a pump whose status is older says nothing about the patient
ALL_FLAGS = b"\xff\x00"
EVENTS, REFERENCE = "183a", "183a-reference"  # streams: sequence number, and the reference time in force
# What the kind's table calls these; others that a pump may call out are not alarms of the line.
ALARMS = {
    Annunciation.OCCLUSION: 1,
    Annunciation.RESERVOIR_EMPTY: 2,
    Annunciation.MECHANICAL_ISSUE: 3,
    Annunciation.BATTERY_LOW: 4,
    Annunciation.BATTERY_EMPTY: 4,
    Annunciation.POWER_INSUFFICIENT: 4,
}


class InsulinListener(Listener):
    """Events by the pump's clock, status by the gateway's."""

    def __init__(self, talk: Talk) -> None:
        super().__init__(talk)
        self._watches: dict[int, CounterWatch] = {}
        self._counter = 0
        self._reference = talk.inbox.mark(talk.device_id, REFERENCE)
        self._sluice = Sluice(talk.inbox.mark(talk.device_id, EVENTS), self._passed, gapless=True)
        self._changed = asyncio.Event()
        self._reader: ControlPoint[Reply] = ControlPoint(
            talk, talk.need(SERVICE, INSULIN_READER), lambda data: decode_reply(self._watch(INSULIN_READER, data))
        )
        self._records: ControlPoint[HistoryAnswer] = ControlPoint(
            talk,
            talk.need(SERVICE, INSULIN_RECORDS),
            lambda data: HistoryAnswer.decode(self._watch(INSULIN_RECORDS, data)),
        )

    async def begin(self) -> None:
        """Subscribe, then read events and status."""
        await self._reader.open()
        await self._records.open()
        await self.talk.subscribe(self.talk.need(SERVICE, INSULIN_HISTORY), self._received)
        await self.talk.subscribe(self.talk.need(SERVICE, INSULIN_CHANGED), self._told)
        await self._catch_up()

    async def attend(self) -> None:
        """Look again when the pump says that something changed, and every minute anyway."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._changed.wait()
            await self._catch_up()

    async def _catch_up(self) -> None:
        self._changed.clear()
        # The flags first: what changes while we read raises them again.
        await self._ask(encode_request(ReaderOp.RESET_STATUS, ALL_FLAGS))
        await self._read_events()
        await self._read_status()

    async def _read_events(self) -> None:
        mark = self._sluice.mark
        request = HistoryRequest(RecordOp.REPORT, RecordOperator.ALL, RecordFilter.NUMBER)
        if mark is not None:
            request = HistoryRequest(RecordOp.REPORT, RecordOperator.FROM, RecordFilter.NUMBER, (mark + 1,))
        self._sluice.filling()
        self.talk.expect_records(True)
        try:
            answer = await self._records.ask(protected(request.encode(), self._next()))
        finally:
            self.talk.expect_records(False)
        if answer.to is not RecordOp.REPORT or answer.result not in (RecordResult.SUCCESS, RecordResult.NO_RECORDS):
            raise ProcedureFailed(f"insulin history: {answer.result.name if answer.result else 'another answer'}")
        self._sluice.complete()

    async def _read_status(self) -> None:
        status = InsulinStatus.decode(await self._read(INSULIN_STATUS))
        told = AnnunciationStatus.decode(await self._read(INSULIN_ANNUNCIATION))
        basal = await self._ask(encode_request(ReaderOp.GET_BASAL))
        delivered = await self._ask(encode_request(ReaderOp.GET_DELIVERED))
        found = self._now("insulin_reservoir", as_value(status.reservoir_u))
        if isinstance(basal, BasalDelivery):
            found += self._now("insulin_rate", as_value(basal.u_per_h))
        if isinstance(delivered, Delivered):
            found += self._now("insulin_delivered", _sum(delivered.bolus_u, delivered.basal_u))
        found += self._now("pump_alarm", 0.0 if told is None else _alarm(told.kind, told.attention))
        self.talk.put(found)

    def _now(self, key: str, value: float | None) -> list[Sample]:
        return self.talk.believe(lambda: self.talk.sample(key, value))

    async def _read(self, number: int) -> bytes:
        return self._watch(number, await self.talk.read(SERVICE, number))

    async def _ask(self, body: bytes) -> Reply:
        return await self._reader.ask(protected(body, self._next()))

    def _next(self) -> int:
        self._counter = next_counter(self._counter)
        return self._counter

    def _watch(self, number: int, data: bytes) -> bytes:
        return self._watches.setdefault(number, CounterWatch()).follow(data)

    def _told(self, value: bytes) -> None:
        if decode_changed(self._watch(INSULIN_CHANGED, value)):
            self._changed.set()

    def _received(self, value: bytes) -> None:
        record = HistoryRecord.decode(value)
        self._records.alive()
        self._sluice.put(record.number, record)

    def _passed(self, number: int, record: HistoryRecord) -> None:
        marks = {EVENTS: number}
        if isinstance(record.event, ReferenceTime):
            self._reference = marks[REFERENCE] = int(record.event.moment.t)
        self.talk.put(self.talk.believe(lambda: self._samples(record)), marks)

    def _samples(self, record: HistoryRecord) -> list[Sample]:
        key, value = _measured(record)
        if key is None:
            return []
        if self._reference is None:
            raise ValueImpossible("an event of the pump before any reference time")
        return self.talk.sample(key, value, float(self._reference + record.offset_s))


def _measured(record: HistoryRecord) -> tuple[str | None, float | None]:
    match record.event:
        case BolusDelivered(_, _, fast, extended):
            return "insulin_bolus", _sum(fast, extended)
        case BasalRateChanged(_, new):
            return "insulin_rate", as_value(new)
        case ReservoirChanged(left):
            return "insulin_reservoir", as_value(left)
        case AnnunciationChanged(_, kind, attention):
            return "pump_alarm", _alarm(kind, attention)
        case _:
            return None, None


def _alarm(kind: Annunciation, attention: Attention) -> float | None:
    """Return the alarm's number; 0 once it was confirmed, None for what is no alarm of ours."""
    if kind not in ALARMS:
        return None
    if attention is Attention.UNDETERMINED:
        raise MessageMalformed("the pump does not know whether its alarm is active")
    return 0.0 if attention is Attention.CONFIRMED else float(ALARMS[kind])


def _sum(first: Number, second: Number) -> float | None:
    one, other = as_value(first), as_value(second)
    return None if one is None or other is None else round(one + other, 4)
