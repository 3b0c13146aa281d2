"""An insulin pump: events in a history, status behind a control point, everything with E2E counter and CRC."""

from __future__ import annotations

from bumble.gatt import Characteristic, Service

from devices.bluetooth.codec.insulin import (
    AnnunciationStatus,
    Changed,
    InsulinFeatures,
    InsulinStatus,
    Operation,
    Therapy,
    encode_changed,
    next_counter,
    opened,
    protected,
)
from devices.bluetooth.codec.insulin_control import (
    BasalDelivery,
    Delivered,
    ReaderAnswer,
    ReaderOp,
    Reply,
    Result,
    decode_request,
    encode_reply,
)
from devices.bluetooth.errors import OverAirRefused
from devices.bluetooth.peripheral.base import INDICATE, NOTIFY, READ, WRITE, Port, Value, characteristic
from devices.bluetooth.peripheral.insulin_log import InsulinLog
from devices.bluetooth.uuids import (
    INSULIN_ANNUNCIATION,
    INSULIN_CHANGED,
    INSULIN_FEATURES,
    INSULIN_HISTORY,
    INSULIN_READER,
    INSULIN_RECORDS,
    INSULIN_STATUS,
    uuid,
)
from devices.emulator.plant import Block, Sample
from devices.kinds.gatt import INSULIN_DELIVERY
from devices.kinds.registry import by_key

PROFILE = 1
NOTHING = Characteristic.Properties(0)


class InsulinSensor:
    """What a collector may know of a pump. It takes no commands."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._counters: dict[int, int] = {}
        self._changed = Changed(0)
        self._rate = self._reservoir = self._total = self._bolus = 0.0
        self._keys = {by_key(key).code: key for key in (
            "insulin_rate", "insulin_bolus", "insulin_delivered", "insulin_reservoir", "pump_alarm")}  # fmt: skip
        history = characteristic(INSULIN_HISTORY, NOTIFY)
        self._status_changed = self._reads(INSULIN_CHANGED, lambda: encode_changed(self._changed), INDICATE)
        self._reader = characteristic(INSULIN_READER, WRITE | INDICATE, write=self._asked)
        self._records = characteristic(INSULIN_RECORDS, WRITE | INDICATE, write=lambda value: self._log.asked(value))
        self._log = InsulinLog(port, history, self._records)
        self.service = Service(
            uuid(INSULIN_DELIVERY),
            [
                self._status_changed,
                self._reads(INSULIN_STATUS, self._status),
                self._reads(INSULIN_ANNUNCIATION, self._annunciation),
                characteristic(INSULIN_FEATURES, READ, read=InsulinFeatures().encode()),
                self._reader,
                self._records,
                history,
            ],
        )

    def measured(self, one: Sample | Block) -> bool:
        """Turn one reading of the pump into state and, where it is an event, into history."""
        if isinstance(one, Block):
            return False
        key, value = self._keys[one.metric_code], one.value
        changed = Changed(0)
        if key == "insulin_rate":
            changed = Changed.BASAL_RATE if self._log.rate(one.t, value) else changed
            self._rate = value
        elif key == "insulin_bolus":
            self._log.bolus(one.t, value)
            self._bolus += value
            changed = Changed.BOLUS
        elif key == "insulin_delivered":
            if value < self._total:  # a new reservoir
                self._bolus = 0.0
            self._total = value
        elif key == "insulin_reservoir":
            changed = Changed.RESERVOIR if self._log.reservoir(one.t, value) else changed
            self._reservoir = value
        else:
            changed = Changed.ANNUNCIATION if self._log.alarm(one.t, int(value)) else changed
        if changed:
            self._tell(changed | Changed.HISTORY)
        return True

    def listened(self) -> None:
        """Say again what changed while nobody heard it."""
        if self._changed and self._port.listens(self._status_changed):
            self._port.spawn(self._indicate_changed())

    def _tell(self, changed: Changed) -> None:
        news = changed & ~self._changed
        self._changed |= changed
        if news:
            self._port.spawn(self._indicate_changed())

    async def _indicate_changed(self) -> None:
        body = encode_changed(self._changed)
        await self._port.indicate(self._status_changed, protected(body, self._next(INSULIN_CHANGED)))

    def _status(self) -> bytes:
        therapy = Therapy.STOP if self._log.alarmed else Therapy.RUN
        return InsulinStatus(therapy, Operation.READY, self._reservoir).encode()

    def _annunciation(self) -> bytes:
        newest = self._log.annunciation
        if newest is None:
            return b"\x00"
        return AnnunciationStatus(newest.number, newest.kind, newest.attention).encode()

    def _reads(self, number: int, body: Value, more: Characteristic.Properties = NOTHING) -> Characteristic[bytes]:
        return characteristic(number, READ | more, read=lambda: protected(body(), self._next(number)))

    def _next(self, number: int) -> int:
        self._counters[number] = next_counter(self._counters.get(number, 0))
        return self._counters[number]

    def _asked(self, value: bytes) -> None:
        try:
            op, operand = decode_request(opened(value)[0])
            reply = self._obeyed(op, operand)
        except OverAirRefused:
            reply = ReaderAnswer(0, Result.NOT_COMPLETED)
        self._port.spawn(self._answer(reply))

    async def _answer(self, reply: Reply) -> None:
        await self._port.indicate(self._reader, protected(encode_reply(reply), self._next(INSULIN_READER)))

    def _obeyed(self, op: int, operand: bytes) -> Reply:
        if op == ReaderOp.RESET_STATUS and len(operand) == 2:
            self._changed &= ~Changed(int.from_bytes(operand, "little") & 0xFF)
            return ReaderAnswer(op, Result.SUCCESS)
        if op == ReaderOp.GET_BASAL:
            return BasalDelivery(PROFILE, self._rate)
        if op == ReaderOp.GET_DELIVERED:
            return Delivered(round(self._bolus, 2), round(self._total - self._bolus, 2))
        return ReaderAnswer(op, Result.INVALID_OPERAND if op == ReaderOp.RESET_STATUS else Result.OP_NOT_SUPPORTED)
