"""The sensor's side of a Record Access Control Point: report, count, abort, in the order of the records' numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bumble.gatt import Characteristic

from devices.bluetooth.codec.racp import Op, Operator, Outcome, RecordAnswer, RecordRequest
from devices.bluetooth.errors import MessageMalformed
from devices.bluetooth.peripheral.base import INDICATE, WRITE, Port, characteristic
from devices.bluetooth.uuids import RECORD_ACCESS

Stored = Callable[[], Sequence[tuple[int, bytes]]]


class RecordAccess:
    """Answers for one service. stored: the records on board as (number, message), oldest first.

    width: bytes of a number in requests.
    """

    def __init__(self, port: Port, record: Characteristic[bytes], stored: Stored, *, width: int) -> None:
        self._port, self._record, self._stored, self._width = port, record, stored, width
        self._running: asyncio.Task[None] | None = None
        self.point = characteristic(RECORD_ACCESS, WRITE | INDICATE, write=self._asked)

    def _asked(self, value: bytes) -> None:
        try:
            request = RecordRequest.decode(value, self._width)
        except MessageMalformed:
            op = Op(value[0]) if value and value[0] in list(Op) else None
            outcome = Outcome.OP_NOT_SUPPORTED if op is None else Outcome.INVALID_OPERAND
            self._answer(RecordAnswer(op, outcome))
            return
        if request.op is Op.ABORT:
            self._abort()
        elif request.op is Op.COUNT:
            self._answer(RecordAnswer(count=min(len(self._selected(request)), 0xFFFF)))
        elif request.op is not Op.REPORT:
            self._answer(RecordAnswer(request.op, Outcome.OP_NOT_SUPPORTED))
        elif request.operator is Operator.NULL:
            self._answer(RecordAnswer(request.op, Outcome.INVALID_OPERATOR))
        elif self._running is not None and not self._running.done():
            self._answer(RecordAnswer(request.op, Outcome.NOT_COMPLETED))
        else:
            self._running = self._port.spawn(self._report(self._selected(request)))

    def _selected(self, request: RecordRequest) -> list[bytes]:
        records = [(number, message) for number, message in self._stored() if request.selects(number)]
        if request.operator is Operator.FIRST:
            records = records[:1]
        elif request.operator is Operator.LAST:
            records = records[-1:]
        return [message for _number, message in records]

    async def _report(self, messages: list[bytes]) -> None:
        for message in messages:
            await self._port.notify(self._record, message)
            await asyncio.sleep(0)  # an abort must get its turn
        outcome = Outcome.SUCCESS if messages else Outcome.NO_RECORDS
        await self._port.indicate(self.point, RecordAnswer(Op.REPORT, outcome).encode())

    def _abort(self) -> None:
        if self._running is not None:
            self._running.cancel()
        self._answer(RecordAnswer(Op.ABORT, Outcome.SUCCESS))

    def _answer(self, answer: RecordAnswer) -> None:
        self._port.spawn(self._answered(answer))

    async def _answered(self, answer: RecordAnswer) -> None:
        await self._port.indicate(self.point, answer.encode())
