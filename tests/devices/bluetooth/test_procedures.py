"""Control points of emulated devices, asked by a bonded collector as any other would ask them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from bumble.device import Connection
from bumble.hci import Address

from devices.bluetooth.codec.cgm import GlucoseMeasurement, GlucoseStatus, decode_session_start
from devices.bluetooth.codec.cgm_control import GlucoseCommand, GlucoseOp, GlucoseOutcome, GlucoseReply
from devices.bluetooth.codec.e2e import with_crc
from devices.bluetooth.codec.racp import Op, Operator, Outcome, RecordAnswer, RecordRequest
from devices.bluetooth.host import secure_pairing
from devices.bluetooth.uuids import (
    GLUCOSE,
    GLUCOSE_CONTROL,
    GLUCOSE_START,
    GLUCOSE_STATUS,
    RECORD_ACCESS,
    uuid,
)
from tests.devices.bluetooth.conftest import NOON, Room, address, until


class Collector:
    """A bonded central that writes bytes and keeps what comes back."""

    def __init__(self, connection: Connection) -> None:
        self.client = connection.gatt_client
        self.heard: dict[int, list[bytes]] = {GLUCOSE: [], RECORD_ACCESS: [], GLUCOSE_CONTROL: []}

    async def begin(self) -> None:
        for service in await self.client.discover_services():
            await service.discover_characteristics()
        for number, heard in self.heard.items():
            await self.client.subscribe(self.find(number), heard.append)

    def find(self, number: int):
        return self.client.get_characteristics_by_uuid(uuid(number))[0]

    async def ask(self, number: int, message: bytes) -> bytes:
        heard = self.heard[number]
        before = len(heard)
        await self.find(number).write_value(message, with_response=True)
        await until(lambda: len(heard) > before)
        return heard[-1]

    async def records(self, request: RecordRequest) -> RecordAnswer:
        return RecordAnswer.decode(await self.ask(RECORD_ACCESS, request.encode(2)))

    async def control(self, op: int, operand: bytes = b"") -> GlucoseReply:
        message = GlucoseCommand(op, operand).encode(crc=True)
        return GlucoseReply.decode(await self.ask(GLUCOSE_CONTROL, message), crc=True)


@pytest.fixture
async def sensor(room: Room) -> AsyncIterator[Collector]:
    await room.add(7, "cgm")
    for minute in range(10):
        room.measure(7, "glucose", NOON + 60.0 * minute, 100.0 + minute)
    host = room.air.device("collector", "C0:00:00:00:EE:EE")
    host.pairing_config_factory = secure_pairing(None, shows=False)
    await host.power_on()
    connection = await host.connect_le(Address(address(7)))
    await connection.pair()
    collector = Collector(connection)
    await collector.begin()
    yield collector
    await connection.disconnect()
    await host.power_off()
    room.air.leave(host)


@pytest.mark.parametrize(
    ("operator", "operands", "minutes"),
    [
        (Operator.ALL, (), range(10)),
        (Operator.FROM, (7,), range(7, 10)),
        (Operator.UP_TO, (2,), range(3)),
        (Operator.RANGE, (3, 5), range(3, 6)),
        (Operator.FIRST, (), range(1)),
        (Operator.LAST, (), range(9, 10)),
    ],
)
async def test_records_are_counted_and_reported_by_time_offset(sensor: Collector, operator, operands, minutes):
    if operator not in (Operator.FIRST, Operator.LAST):
        assert (await sensor.records(RecordRequest(Op.COUNT, operator, operands))).count == len(minutes)
    answer = await sensor.records(RecordRequest(Op.REPORT, operator, operands))
    assert (answer.to, answer.outcome) == (Op.REPORT, Outcome.SUCCESS)
    found = [GlucoseMeasurement.decode(message, crc=True) for message in sensor.heard[GLUCOSE]]
    assert [(one.offset_min, one.mg_dl) for one in found] == [(minute, 100.0 + minute) for minute in minutes]


async def test_what_cannot_be_done_is_answered_and_not_done(sensor: Collector):
    for request, outcome in {
        RecordRequest(Op.REPORT, Operator.FROM, (500,)): Outcome.NO_RECORDS,
        RecordRequest(Op.REPORT): Outcome.INVALID_OPERATOR,
        RecordRequest(Op.DELETE, Operator.ALL): Outcome.OP_NOT_SUPPORTED,
        RecordRequest(Op.ABORT): Outcome.SUCCESS,
    }.items():
        assert (await sensor.records(request)).outcome is outcome
    for message, outcome in {b"\x01\x03": Outcome.INVALID_OPERAND, b"\x77\x00": Outcome.OP_NOT_SUPPORTED}.items():
        answer = await sensor.ask(RECORD_ACCESS, message)
        assert answer[-1] == outcome
    assert sensor.heard[GLUCOSE] == []


async def test_a_session_is_stopped_and_begun_anew(sensor: Collector, room: Room):
    start = decode_session_start(await sensor.find(GLUCOSE_START).read_value(), crc=True)
    assert start.t == NOON
    assert (await sensor.control(GlucoseOp.START_SESSION)).outcome is GlucoseOutcome.NOT_COMPLETED
    assert (await sensor.control(GlucoseOp.STOP_SESSION)).outcome is GlucoseOutcome.SUCCESS
    assert GlucoseStatus.decode(await sensor.find(GLUCOSE_STATUS).read_value(), crc=True).stopped
    room.measure(7, "glucose", NOON + 660.0, 111.0)
    assert sensor.heard[GLUCOSE] == []
    assert (await sensor.control(GlucoseOp.START_SESSION)).outcome is GlucoseOutcome.SUCCESS
    room.measure(7, "glucose", NOON + 720.0, 112.0)
    await until(lambda: sensor.heard[GLUCOSE])
    assert GlucoseMeasurement.decode(sensor.heard[GLUCOSE][0], crc=True).offset_min == 0


async def test_the_communication_interval_is_set_and_kept(sensor: Collector, room: Room):
    assert (await sensor.control(GlucoseOp.GET_INTERVAL)).interval_min == 1
    assert (await sensor.control(GlucoseOp.SET_INTERVAL, b"\x05")).outcome is GlucoseOutcome.SUCCESS
    for minute in range(10, 20):
        room.measure(7, "glucose", NOON + 60.0 * minute, 100.0)
    await until(lambda: len(sensor.heard[GLUCOSE]) == 2)
    assert (await sensor.control(0x77)).outcome is GlucoseOutcome.OP_NOT_SUPPORTED
    assert (await sensor.control(GlucoseOp.SET_INTERVAL)).outcome is GlucoseOutcome.INVALID_OPERAND
    wrong = GlucoseReply.decode(await sensor.ask(GLUCOSE_CONTROL, with_crc(b"\x02")[:-1] + b"\x00"), crc=True)
    assert wrong.outcome is GlucoseOutcome.NOT_COMPLETED
