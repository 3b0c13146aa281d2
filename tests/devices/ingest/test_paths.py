"""Two gateways that hear one device: each reading is stored once, shown once, alarms once, and names both."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest
from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.utils import timezone

from compliance.models import Event
from devices.evidence.outcome import Outcome
from devices.kinds.registry import by_key
from devices.models import Device, Gateway, PathTally
from devices.protocol.facts import Fact, FactKind, encode_fact
from devices.protocol.frames import FrameKind
from devices.protocol.hello import Transcript
from devices.selectors.evidence import evidence_of, waveform_for
from devices.services import ingest as ingest_module
from devices.services.ingest import Ingest, stop_ingest
from devices.services.paths import add_path, end_path
from devices.services.registry import RegistrationRefused
from devices.services.telemetry import store
from devices.signals import readings_accepted, readings_received
from devices.telemetry import open_store
from devices.telemetry.lanes import lane_of, seq_in
from tests.conftest import sign_in
from tests.devices.ingest.cast import ToyDevice, events
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.django_db(transaction=True)
RATE, ECG = by_key("heart_rate").code, by_key("ecg").code


@pytest.fixture
def path(monitor, other_gateway):
    """The monitor as the other gateway names and numbers it."""
    device, gateway = Device.objects.get(pk=monitor.id), Gateway.objects.get(pk=other_gateway.id)
    added, key = add_path(device=device, gateway=gateway)
    return ToyDevice(added.number, key)


@pytest.fixture
def alone(make_device):
    """A monitor that one gateway hears."""
    return make_device()


@pytest.fixture
def seen(monkeypatch):
    """What the floors above were told, before and after the commit."""
    monkeypatch.setattr(ingest_module, "TALLY_EVERY_S", 0.1)
    told: dict[str, list[tuple[int, float]]] = {"received": [], "accepted": []}

    def receiver(name):
        def receive(batch, **_):
            told[name] += zip(batch.readings["seq"].tolist(), batch.readings["value"].tolist(), strict=True)

        return receive

    before, after = receiver("received"), receiver("accepted")
    readings_received.connect(before)
    readings_accepted.connect(after)
    yield told
    readings_received.disconnect(before)
    readings_accepted.disconnect(after)


def stored(device) -> list[tuple[int, float]]:
    now = time.time()
    return [(row.seq, row.value) for row in store().history([device.id], [RATE], now - 86_400, now + 60)]


async def test_what_both_gateways_heard_is_one_reading(gateway, other_gateway, monitor, path, seen):
    await gateway.connect()
    await other_gateway.connect()
    now = time.time()
    answer = await gateway.send(monitor.frame(("heart_rate", now, 71.0), ("heart_rate", now + 1, 72.0)))
    assert answer["type"] == "ack"
    told = [("heart_rate", now + late, value) for late, value in ((0.1, 71.0), (1.1, 72.0), (2.1, 73.0))]
    answer = await other_gateway.send(path.frame(*told))
    assert answer == {"type": "ack", "frames": [[path.id, 1]]}
    expected = [(1, 71.0), (2, 72.0), (seq_in(1, 3), 73.0)]
    assert await asyncio.to_thread(stored, monitor) == expected
    assert seen["received"] == expected, "nothing is judged, and so nothing alarms, twice"
    await until(lambda: seen["accepted"] == expected)
    assert store().copies(monitor.id, [1])[0].copy == seq_in(1, 1)


async def test_who_judges_readings_is_told_which_devices_other_processes_may_hear(gateway, monitor, alone, path):
    told = []

    def receive(batch, **_):
        told.append((np.unique(batch.readings["device"]).tolist(), batch.shared))

    readings_received.connect(receive)
    await gateway.connect()
    for device in (monitor, alone):
        await gateway.send(device.frame(("heart_rate", time.time(), 71.0)))
    readings_received.disconnect(receive)
    assert told == [([monitor.id], {monitor.id}), ([alone.id], frozenset())]


async def test_a_backlog_by_the_other_path_leaves_the_newest_value_alone(gateway, other_gateway, monitor, path):
    await gateway.connect()
    await other_gateway.connect()
    now = time.time()
    await gateway.send(monitor.frame(*[("heart_rate", now - s, 60.0 + s) for s in (4, 2, 0)]))
    late = [("heart_rate", now - s + 0.2, 60.0 + s) for s in (4, 3, 2, 1, 0)]
    assert (await other_gateway.send(path.frame(*late)))["type"] == "ack"
    assert [(row.seq, row.value) for row in store().latest([monitor.id])] == [(3, 60.0)]
    assert sorted(value for _, value in await asyncio.to_thread(stored, monitor)) == [60.0, 61.0, 62.0, 63.0, 64.0]


async def test_a_copy_that_comes_again_after_a_restart_is_still_a_copy(gateway, other_gateway, monitor, path, seen):
    now = time.time()
    await gateway.connect()
    await gateway.send(monitor.frame(("heart_rate", now, 71.0)))
    for _ in range(2):  # its acknowledgement was lost, and both ends were started again
        await other_gateway.connect()
        again = path.frame(("heart_rate", now + 0.2, 71.0), seq=1)
        assert (await other_gateway.send(again))["type"] == "ack"
        await other_gateway.socket.disconnect()
        await asyncio.to_thread(stop_ingest)
    assert await asyncio.to_thread(stored, monitor) == [(1, 71.0)]
    assert len(store().copies(monitor.id, [1])) == 1
    tallies = await database_sync_to_async(
        lambda: list(PathTally.objects.values_list("gateway", "first", "repeated"))
    )()
    assert sorted(tallies) == sorted([(gateway.id, 1, 0), (other_gateway.id, 0, 1)])


async def test_a_waveform_that_both_heard_is_one_block_and_proves_itself(gateway, other_gateway, monitor, path, cast):
    await gateway.connect()
    await other_gateway.connect()
    now, samples = time.time(), np.arange(-60, 65, dtype=np.int16)
    await other_gateway.send(path.waveform("ecg", now, samples))
    await gateway.send(monitor.waveform("ecg", now + 0.1, samples))
    (block,) = store().waveforms(monitor.id, ECG, now - 1, now + 1)
    assert lane_of(block.seq) == 1
    proven = await database_sync_to_async(waveform_for)(cast["physician"], store(), monitor.id, block.seq)
    assert proven.gateway.pk == other_gateway.id
    assert proven.rebuilt.same
    assert [one.gateway.pk for one in proven.also] == [gateway.id]


async def test_the_evidence_names_both_gateways_and_opens_the_frame_that_is_kept(
    gateway, other_gateway, monitor, path, cast, client
):
    await gateway.connect()
    await other_gateway.connect()
    now = time.time()
    await other_gateway.send(path.frame(("heart_rate", now, 71.0), ("spo2", now, 98.0)))
    await gateway.send(monitor.frame(("heart_rate", now + 0.1, 71.0)))

    def evidence():
        device = Device.objects.get(pk=monitor.id)
        return evidence_of(store(), device, None, store().reading(monitor.id, seq_in(1, 1)))

    proven = await database_sync_to_async(evidence)()
    outcomes = {check.name: check.outcome for check in proven.checks}
    for name in ("The frame has not changed", "The device sealed it", "The value is the one inside"):
        assert outcomes[name] is Outcome.HOLDS, name
    assert proven.gateway.pk == other_gateway.id
    assert [one.gateway.pk for one in proven.also] == [gateway.id]
    assert [one.label for one in proven.beside] == ["SpO₂"]
    address = f"/evidence/reading/{monitor.id}/{seq_in(1, 1)}/"
    page = await database_sync_to_async(lambda: sign_in(client, cast["physician"]).get(address))()
    assert "Also heard by" in page.content.decode()


async def test_a_fact_of_the_other_gateway_is_one_of_the_device_and_names_who_told(other_gateway, monitor, path):
    await other_gateway.connect()
    told = Fact(path.id, time.time(), FactKind.ALARM, "severe_low", 1, "seen", "done", True)
    answer = await other_gateway.send(path.seal(encode_fact(5, told), path.header(FrameKind.FACT)))
    assert answer["type"] == "ack"
    (event,) = await events("edge_alarm")
    assert (event.device_id, event.gateway_id) == (monitor.id, other_gateway.id)


@pytest.mark.parametrize("wrong", ["gateway", "key", "number"])
async def test_a_path_speaks_for_its_own_gateway_under_its_own_key_and_in_its_own_lane(
    gateway, other_gateway, monitor, path, wrong
):
    sender = gateway if wrong == "gateway" else other_gateway
    await sender.connect()
    path.key = monitor.key if wrong == "key" else path.key
    seq = seq_in(1, 0) if wrong == "number" else 1
    answer = await sender.send(path.frame(("heart_rate", time.time(), 71.0), seq=seq))
    expected = {"gateway": "frame_wrong_device", "key": "frame_forged", "number": "frame_malformed"}[wrong]
    assert answer["code"] == expected
    assert await asyncio.to_thread(stored, monitor) == []


async def test_what_comes_by_a_path_that_ended_is_refused(other_gateway, monitor, path):
    await other_gateway.connect()
    assert (await other_gateway.send(path.frame(("heart_rate", time.time(), 71.0))))["type"] == "ack"
    ended = await database_sync_to_async(lambda: end_path(path=Device.objects.get(pk=monitor.id).paths.get()))()
    assert ended.ended_at is not None

    async def refused():
        return (await other_gateway.send(path.frame(("heart_rate", time.time(), 72.0)))).get("code")

    async with asyncio.timeout(PATIENCE_S):  # the registry is read within the second
        while await refused() != "frame_wrong_device":
            await asyncio.sleep(0.01)
    assert await database_sync_to_async(Event.objects.filter(code="device_path_ended").count)() == 1


@pytest.mark.parametrize("wrong", ["reading_sequence_reused", "reading_out_of_range"])
@pytest.mark.parametrize("guilty", [0, 1])
def test_what_one_of_two_gateways_got_wrong_is_noted_of_that_one(
    settings, monitor, path, gateway, other_gateway, wrong, guilty
):
    """Frames of both lie in one group of the writer, whichever of them was wrong."""
    gateways, devices, now = (gateway, other_gateway), (monitor, path), time.time() - 60

    def frame(place: int, second: int, seq: int, value: float = 80.0) -> bytes:
        return devices[place].frame(("heart_rate", now + second, value + place), seq=seq)

    async def told():
        telemetry = open_store(settings.TELEMETRY_URL)
        writer = Ingest(asyncio.get_running_loop(), telemetry)
        links = [AtOnce(one.id) for one in gateways]
        try:
            await writer.gateway_anew(gateway.id)
            before = [[frame(place, place, 5)] for place in (0, 1)]
            await asyncio.to_thread(_in_one_group, writer, links, before, frame(0, 2, 10))
            used, value = (5, 90.0) if wrong == "reading_sequence_reused" else (30, 4000.0)
            after = [[frame(place, 5 + 5 * place, 20)] for place in (0, 1)]
            after[guilty].append(frame(guilty, 30, used, value))
            await asyncio.to_thread(_in_one_group, writer, links, after, frame(0, 3, 11))
        finally:
            await asyncio.to_thread(writer.stop, PATIENCE_S)
            telemetry.close()
        assert [set(link.answers) for link in links] == [{"ack"}] * 2

    async_to_sync(told)()
    event = Event.objects.get(code=wrong)
    assert (event.device_id, event.gateway_id, event.count) == (monitor.id, gateways[guilty].id, 1)


def _in_one_group(writer: Ingest, links, frames, first: bytes) -> None:
    """Hold the writer up in a group of one frame until all the others wait, so that it takes these together."""
    taken, go_on = threading.Event(), threading.Event()

    def receive(**_):
        taken.set()
        assert go_on.wait(PATIENCE_S)

    def submit(link, mine: list[bytes]) -> None:
        size = sum(len(one) for one in mine)
        asyncio.run_coroutine_threadsafe(writer.submit(link, mine, size), writer.loop).result(PATIENCE_S)

    readings_received.connect(receive)
    try:
        submit(links[0], [first])
        assert taken.wait(PATIENCE_S)
        for link, mine in zip(links, frames, strict=True):
            submit(link, mine)
    finally:
        go_on.set()
        readings_received.disconnect(receive)


def test_a_gateway_is_added_once_and_comes_back_under_its_number(monitor, gateway, other_gateway, path):
    device, other = Device.objects.get(pk=monitor.id), Gateway.objects.get(pk=other_gateway.id)
    for taken in (Gateway.objects.get(pk=gateway.id), other):
        with pytest.raises(RegistrationRefused):
            add_path(device=device, gateway=taken)
    end_path(path=device.paths.get())
    again, key = add_path(device=device, gateway=other)
    assert (again.number, key) == (path.id, path.key)


def test_a_device_has_room_for_a_few_gateways(monitor, ward, path):
    from devices.services.registry import register_gateway

    device = Device.objects.get(pk=monitor.id)
    added = [add_path(device=device, gateway=register_gateway(name=f"more-{n}", ward=ward))[0] for n in range(2)]
    assert [one.lane for one in added] == [2, 3]
    with pytest.raises(RegistrationRefused, match="at most"):
        add_path(device=device, gateway=register_gateway(name="one too many", ward=ward))


def test_two_processes_that_hear_of_a_reading_at_once_keep_it_once(settings, monitor, gateway, other_gateway, path):
    """Each of two writers, with a store of its own, is told the same readings by its gateway, many times at once."""

    async def both():
        stores = [open_store(settings.TELEMETRY_URL) for _ in range(2)]
        writers = [Ingest(asyncio.get_running_loop(), one) for one in stores]
        now, rounds = time.time() - 60, 20
        try:
            return await _told_at_once(writers, (monitor, path), (gateway, other_gateway), now, rounds), now
        finally:
            for writer, one in zip(writers, stores, strict=True):
                await asyncio.to_thread(writer.stop)
                one.close()

    answers, now = async_to_sync(both)()
    assert all(code == "ack" for code in answers)
    rows = store().history([monitor.id], [RATE], now - 1, now + 60)
    assert len(rows) == 20, "one for each second"
    assert len(store().copies(monitor.id, [row.seq for row in rows])) == 20


class AtOnce:
    """A gateway's line as a writer sees it, without a socket: keeps what it is answered."""

    def __init__(self, gateway_id: int) -> None:
        self.gateway_id, self.answers = gateway_id, []
        self.opened_at, self.software = timezone.now(), "toy"
        self.transcript = Transcript(gateway_id, bytes(32), bytes(32), bytes(64))

    async def welcome(self) -> None: ...

    async def end(self, code, reason) -> None: ...

    async def answer(self, acked, nacks) -> None:
        self.answers += ["ack"] * len(acked) + [nack["code"] for nack in nacks]


async def _told_at_once(writers, devices, gateways, now, rounds) -> list[str]:
    """Return the answers to frames of both paths, sent to both writers in the same moment, second by second."""
    links = [AtOnce(one.id) for one in gateways]
    for writer, link in zip(writers, links, strict=True):
        await writer.gateway_anew(link.gateway_id)
    for second in range(rounds):
        for writer, link, device in zip(writers, links, devices, strict=True):
            frame = device.frame(("heart_rate", now + second + 0.1 * (device is devices[1]), 71.0))
            await writer.submit(link, [frame], len(frame))
        await until(lambda: all(len(link.answers) == second + 1 for link in links))  # noqa: B023
    return [answer for link in links for answer in link.answers]
