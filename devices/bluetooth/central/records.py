"""The collector's side of a Record Access Control Point, and the order in which numbered records are let through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from bumble.gatt_client import CharacteristicProxy

from devices.bluetooth.central.talk import ControlPoint, Talk
from devices.bluetooth.codec.racp import Op, Operator, Outcome, RecordAnswer, RecordRequest
from devices.bluetooth.errors import ProcedureFailed

R = TypeVar("R")


class RecordReader:
    """Asks one service for the records after a mark."""

    def __init__(self, talk: Talk, point: CharacteristicProxy[bytes], *, width: int) -> None:
        self._talk, self._width = talk, width
        self._control = ControlPoint(talk, point, RecordAnswer.decode)
        self.alive = self._control.alive

    async def open(self) -> None:
        """Listen for answers."""
        await self._control.open()

    async def report_after(self, mark: int | None) -> None:
        """Return when the sensor has sent every record above `mark`, or all of them. Raises OverAirRefused."""
        request = RecordRequest(Op.REPORT, Operator.ALL)
        if mark is not None:
            request = RecordRequest(Op.REPORT, Operator.FROM, (mark + 1,))
        self._talk.expect_records(True)
        try:
            answer = await self._control.ask(request.encode(self._width))
        finally:
            self._talk.expect_records(False)
        if answer.to is not Op.REPORT or answer.outcome not in (Outcome.SUCCESS, Outcome.NO_RECORDS):
            raise ProcedureFailed(f"stored records: {answer.outcome.name if answer.outcome else 'another answer'}")


class Sluice(Generic[R]):
    """Lets numbered records through in order and each once, while live ones and a backlog arrive mixed.

    While a backlog is read, only what follows on without a gap passes at once; the rest waits until the backlog is
    complete. So a link that dies in between costs nothing: the next backlog begins where the last record passed.
    """

    def __init__(self, mark: int | None, passed: Callable[[int, R], None], *, gapless: bool) -> None:
        self.mark = mark
        self._passed, self._gapless = passed, gapless
        self._waiting: dict[int, R] = {}
        self._filling = True

    def filling(self) -> None:
        """Note that a backlog is asked for."""
        self._filling = True

    def put(self, number: int, record: R) -> None:
        """Take a record, live or stored; one that was there before is dropped."""
        if self.mark is not None and number <= self.mark:
            return
        if not self._filling:
            self._let(number, record)
            return
        self._waiting.setdefault(number, record)
        while self._gapless and self.mark is not None and self.mark + 1 in self._waiting:
            self._let(self.mark + 1, self._waiting.pop(self.mark + 1))

    def complete(self) -> None:
        """Note that the backlog is complete: what still waits passes, in order."""
        self._filling = False
        waiting, self._waiting = self._waiting, {}
        for number in sorted(waiting):
            self.put(number, waiting[number])

    def _let(self, number: int, record: R) -> None:
        self.mark = number
        self._passed(number, record)
