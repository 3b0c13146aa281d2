"""A continuous glucose monitor: one session, a measurement a minute at most, all of them kept on board."""

from __future__ import annotations

from collections import deque

from bumble.gatt import Service

from devices.bluetooth.codec.cgm import (
    Feature,
    GlucoseFeature,
    GlucoseMeasurement,
    GlucoseStatus,
    encode_session_run,
    encode_session_start,
)
from devices.bluetooth.codec.cgm_control import GlucoseCommand, GlucoseOp, GlucoseOutcome, GlucoseReply
from devices.bluetooth.codec.moments import LocalMoment
from devices.bluetooth.errors import OverAirRefused
from devices.bluetooth.peripheral.base import INDICATE, NOTIFY, READ, WRITE, Port, characteristic
from devices.bluetooth.peripheral.records import RecordAccess
from devices.bluetooth.uuids import (
    GLUCOSE,
    GLUCOSE_CONTROL,
    GLUCOSE_FEATURE,
    GLUCOSE_RUN,
    GLUCOSE_START,
    GLUCOSE_STATUS,
    uuid,
)
from devices.emulator.plant import Block, Sample
from devices.kinds.gatt import GLUCOSE_MONITORING

CAPACITY = 20_160  # two weeks of minutes
RUN_HOURS = 24 * 14
MINUTE_S = 60.0


class GlucoseSensor:
    """Time on board is minutes since the session began, so two readings of one minute are one record."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._start: float | None = None
        self._stopped = False
        self._interval_min = 1
        self._records: deque[tuple[int, bytes]] = deque(maxlen=CAPACITY)
        self._measurement = characteristic(GLUCOSE, NOTIFY)
        self._control = characteristic(GLUCOSE_CONTROL, WRITE | INDICATE, write=self._asked)
        records = RecordAccess(port, self._measurement, lambda: self._records, width=2)
        feature = GlucoseFeature(Feature.E2E_CRC)
        self.service = Service(
            uuid(GLUCOSE_MONITORING),
            [
                self._measurement,
                characteristic(GLUCOSE_FEATURE, READ, read=feature.encode()),
                characteristic(GLUCOSE_STATUS, READ, read=self._status),
                characteristic(GLUCOSE_START, READ | WRITE, read=self._started, write=self._set_start),
                characteristic(GLUCOSE_RUN, READ, read=encode_session_run(RUN_HOURS, crc=True)),
                records.point,
                self._control,
            ],
        )

    def measured(self, one: Sample | Block) -> bool:
        """Keep one reading and notify it."""
        if isinstance(one, Block):
            return False
        if self._start is None:
            self._start = one.t // MINUTE_S * MINUTE_S
        offset = int((one.t - self._start) // MINUTE_S)
        last = self._records[-1][0] if self._records else -1
        if self._stopped or offset < last + (self._interval_min if self._records else 1):
            return True  # between two measurements of a real sensor there is nothing
        message = GlucoseMeasurement(one.value, offset).encode(crc=True)
        self._records.append((offset, message))
        self._port.spawn(self._port.notify(self._measurement, message))
        return True

    def listened(self) -> None:
        """Records are asked for."""

    def _status(self) -> bytes:
        return GlucoseStatus(self._records[-1][0] if self._records else 0, int(self._stopped)).encode(crc=True)

    def _started(self) -> bytes:
        return encode_session_start(LocalMoment(self._start or 0.0), crc=True)

    def _set_start(self, _value: bytes) -> None:
        """A collector may set the clock of a session without one; ours knows the time and keeps it."""

    def _asked(self, value: bytes) -> None:
        self._port.spawn(self._answer(self._obeyed(value)))

    async def _answer(self, reply: GlucoseReply) -> None:
        await self._port.indicate(self._control, reply.encode(crc=True))

    def _obeyed(self, value: bytes) -> GlucoseReply:
        try:
            command = GlucoseCommand.decode(value, crc=True)
        except OverAirRefused:
            return GlucoseReply(value[0] if value else 0, GlucoseOutcome.NOT_COMPLETED)
        match command.op, tuple(command.operand):
            case GlucoseOp.GET_INTERVAL, ():
                return GlucoseReply(interval_min=self._interval_min)
            case GlucoseOp.SET_INTERVAL, (minutes,):
                self._interval_min = max(minutes, 1)
            case GlucoseOp.START_SESSION, ():
                if not self._stopped:
                    return GlucoseReply(command.op, GlucoseOutcome.NOT_COMPLETED)
                self._records.clear()
                self._start, self._stopped = None, False
            case GlucoseOp.STOP_SESSION, ():
                self._stopped = True
            case (
                (GlucoseOp.GET_INTERVAL | GlucoseOp.SET_INTERVAL | GlucoseOp.START_SESSION | GlucoseOp.STOP_SESSION),
                _,
            ):
                return GlucoseReply(command.op, GlucoseOutcome.INVALID_OPERAND)
            case _:
                return GlucoseReply(command.op, GlucoseOutcome.OP_NOT_SUPPORTED)
        return GlucoseReply(command.op)
