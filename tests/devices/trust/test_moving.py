"""A device that is moved: one gateway speaks for it at a time, its history goes on, and it can be moved back."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.db import connection
from django.utils import timezone

from compliance.models import Event
from devices.evidence.outcome import Outcome
from devices.kinds.registry import by_key
from devices.models import Device, DeviceHome, Gateway, GatewayState, Pairing, PairingState
from devices.protocol.settings import DeviceSettings
from devices.selectors.evidence import evidence_of, waveform_for
from devices.selectors.settings import standing_of
from devices.services import directory as directory_module
from devices.services import ingest as ingest_module
from devices.services.authority import revoke_all
from devices.services.directory import Directory
from devices.services.gateways import set_gateway_state
from devices.services.links import CLOSE_NEW_SETTINGS
from devices.services.moving import move_device
from devices.services.pairing import begin_pairing
from devices.services.paths import add_path, end_path
from devices.services.registry import RegistrationRefused, register_device, register_gateway
from devices.services.registry_watch import registry_marks
from devices.services.settings import configure_device
from devices.services.telemetry import store
from devices.telemetry.lanes import lane_of
from tests.conftest import sign_in
from tests.devices.ingest.cast import ToyDevice, events
from tests.devices.pairing.paired import PairedGateway, pair_now
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.django_db(transaction=True)
RATE = by_key("heart_rate").code


@pytest.fixture(autouse=True)
def _ingest_ends(monkeypatch):
    monkeypatch.setattr(ingest_module, "REGISTRY_S", 0.1)
    monkeypatch.setattr(ingest_module, "TICK_S", 0.1)
    yield
    ingest_module.stop_ingest()


@pytest.fixture
def left(transactional_db, ward):
    return PairedGateway.of(register_gateway(name="Left", ward=ward))


@pytest.fixture
def right(transactional_db, ward):
    return PairedGateway.of(register_gateway(name="Right", ward=ward))


@pytest.fixture
def device(left, patient):
    hub = Gateway.objects.get(pk=left.id)
    made, _ = register_device(serial="M-1", kind="vital_signs_monitor", label="Monitor", gateway=hub, patient=patient)
    return made


def moved(device: Device, to: PairedGateway) -> DeviceHome:
    return move_device(device=Device.objects.get(pk=device.pk), to=Gateway.objects.get(pk=to.id))


async def move(device: Device, to: PairedGateway) -> DeviceHome:
    """Move the device, and wait until the writer knows: what comes before is still judged by the former registry."""
    home = await database_sync_to_async(moved)(device, to)
    writer = ingest_module._running
    if writer is not None:
        await until(lambda: told_by(device) == to.id)
    return home


def told_by(device: Device) -> int | None:
    """Return the gateway whose frames of the device the writer takes."""
    writer = ingest_module._running
    known = writer.directory.devices.get(device.pk) if writer is not None else None
    return known.gateway_id if known is not None else None


async def anew(gateway: PairedGateway, device: Device, root: bytes | None = None, seq: int = 1) -> ToyDevice:
    """Wait until a line ends for its next greeting, greet, and return the device under the keys of that."""
    assert await gateway.closed() == CLOSE_NEW_SETTINGS
    return await greeted(gateway, device, root, seq)


async def greeted(gateway: PairedGateway, device: Device, root: bytes | None = None, seq: int = 1) -> ToyDevice:
    await gateway.connect()
    toy = gateway.device(device.pk, root)
    toy.seq = seq
    return toy


async def tell(gateway: PairedGateway, toy: ToyDevice, t: float, value: float) -> str:
    """Send one reading; return "ack" or the code of the refusal."""
    answer = await gateway.send(toy.frame(("heart_rate", t, value)))
    return str(answer.get("code", answer["type"]))


async def tell_until(code: str, gateway: PairedGateway, toy: ToyDevice, t: float, value: float) -> None:
    """Send a reading until it is answered so: a registry is read within the second."""
    async with asyncio.timeout(PATIENCE_S):
        while await tell(gateway, toy, t, value) != code:
            await asyncio.sleep(0.01)


def stored(device: Device) -> list[tuple[int, float]]:
    """Return lane and value of every reading, in the order of their times."""
    now = time.time()
    return [(lane_of(row.seq), row.value) for row in store().history([device.pk], [RATE], now - 86_400, now + 60)]


async def test_from_one_gateway_to_another_and_back(left, right, device) -> None:
    begin = time.time() - 100
    await right.connect()
    mine = await greeted(left, device)
    assert await tell(left, mine, begin, 60.0) == "ack"
    home = await move(device, right)
    assert (home.lane, home.gateway_id) == (1, right.id)

    theirs = await anew(right, device)
    assert right.epoch.number > left.epoch.number
    late = await anew(left, device, seq=2)
    assert await tell(left, late, begin + 10, 61.0) == "frame_wrong_device"
    (event,) = await events("frame_wrong_device")
    assert (event.device_id, event.gateway_id) == (device.pk, left.id)
    assert await tell(right, theirs, begin, 60.0) == "ack", "what the device kept is told once more"
    assert await tell(right, theirs, begin + 20, 62.0) == "ack"
    assert await asyncio.to_thread(stored, device) == [(0, 60.0), (1, 62.0)]

    await move(device, left)
    back = await anew(left, device, seq=3)
    await anew(right, device, seq=9)
    assert await tell(left, back, begin + 30, 63.0) == "ack"
    answer = await right.send(right.device(device.pk).frame(("heart_rate", begin + 40, 64.0)))
    assert answer["code"] == "frame_wrong_device"
    assert await asyncio.to_thread(stored, device) == [(0, 60.0), (1, 62.0), (0, 63.0)]
    newest = {row.metric: row.value for row in store().latest([device.pk])}
    assert newest[RATE] == 63.0
    told = await database_sync_to_async(
        lambda: list(Event.objects.filter(code="device_moved").order_by("pk").values_list("detail", flat=True))
    )()
    ends = [{"from": left.id, "to": right.id}, {"from": right.id, "to": left.id}]
    assert [{key: one[key] for key in ("from", "to")} for one in told] == ends


async def test_what_each_gateway_brought_proves_itself_afterwards(left, right, device, cast) -> None:
    begin = time.time() - 100
    assert await tell(left, await greeted(left, device), begin, 60.0) == "ack"
    await move(device, right)
    theirs = await greeted(right, device)
    await tell_until("ack", right, theirs, begin + 20, 62.0)
    samples = np.arange(-60, 65, dtype=np.int16)
    assert (await right.send(theirs.waveform("ecg", begin + 30, samples)))["type"] == "ack"
    await move(device, left)

    def proofs():
        now = time.time()
        for row in store().history([device.pk], [RATE], now - 86_400, now + 60):
            proven = evidence_of(store(), Device.objects.get(pk=device.pk), None, row)
            yield proven.gateway.pk, {check.name: check.outcome for check in proven.checks}

    found = await database_sync_to_async(lambda: list(proofs()))()
    assert [gateway for gateway, _ in found] == [left.id, right.id]
    for _, outcomes in found:
        for name in ("The frame has not changed", "The device sealed it", "The value is the one inside"):
            assert outcomes[name] is Outcome.HOLDS, name
    (block,) = store().waveforms(device.pk, by_key("ecg").code, begin, begin + 60)
    wave = await database_sync_to_async(waveform_for)(cast["physician"], store(), device.pk, block.seq)
    assert (lane_of(block.seq), wave.gateway.pk, wave.rebuilt.same) == (1, right.id, True)


async def test_a_frame_from_before_two_moves_is_not_taken_again(left, right, device) -> None:
    mine = await greeted(left, device)
    old = mine.frame(("heart_rate", time.time() - 50, 60.0))
    assert (await left.send(old))["type"] == "ack"
    await move(device, right)
    await anew(left, device)
    await move(device, left)
    await anew(left, device, seq=2)
    assert (await left.send(old))["code"] == "frame_epoch_unknown"


async def test_a_device_that_was_paired_itself_has_its_root_where_it_was_paired(left, right, device) -> None:
    root = (await database_sync_to_async(pair_now)(device)).root
    begin = time.time() - 100
    assert await tell(left, await greeted(left, device, root), begin, 60.0) == "ack"
    await move(device, right)
    await tell_until("ack", right, await greeted(right, device), begin + 10, 61.0)
    await move(device, left)
    back = await anew(left, device, root, seq=2)
    assert await tell(left, back, begin + 20, 62.0) == "ack"
    assert await asyncio.to_thread(stored, device) == [(0, 60.0), (1, 61.0), (0, 62.0)]


async def test_a_device_that_was_paired_itself_leaves_a_gateway_that_was_quarantined(left, right, device) -> None:
    root = (await database_sync_to_async(pair_now)(device)).root
    begin = time.time() - 100
    assert await tell(left, await greeted(left, device, root), begin, 60.0) == "ack"
    hub = await Gateway.objects.aget(pk=left.id)
    await database_sync_to_async(set_gateway_state)(gateway=hub, state=GatewayState.QUARANTINED)
    await until(lambda: told_by(device) is None)
    await move(device, right)
    assert await tell(right, await greeted(right, device), begin + 10, 61.0) == "ack"


async def test_a_gateway_that_greets_sooner_than_the_registry_is_read_is_believed(
    monkeypatch, left, right, device
) -> None:
    monkeypatch.setattr(ingest_module, "REGISTRY_S", 3600.0)
    begin = time.time() - 100
    assert await tell(left, await greeted(left, device), begin, 60.0) == "ack"
    await database_sync_to_async(moved)(device, right)
    assert await tell(right, await greeted(right, device), begin + 10, 61.0) == "ack"
    assert await tell(left, await greeted(left, device, seq=2), begin + 20, 62.0) == "frame_wrong_device"
    assert await asyncio.to_thread(stored, device) == [(0, 60.0), (1, 61.0)]


def test_who_sees_that_both_lines_have_to_end_sees_the_move(monkeypatch, left, right, device) -> None:
    directory = Directory()
    directory.refresh()
    Gateway.objects.filter(pk=left.id).update(connected_at=timezone.now())
    marks = registry_marks()
    monkeypatch.setattr(directory_module, "registry_marks", lambda: marks)
    moved(device, right)
    directory.refresh()
    assert directory.gateways[left.id].settings_number == 1
    assert directory.devices[device.pk].gateway_id == right.id


def test_a_move_while_the_registry_is_read_gives_no_gateway_the_lane_of_another(left, right, device) -> None:
    waiting = [right]

    def move_in_between(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        if waiting and 'FROM "devices_device"' in sql and "devices_devicehome" not in sql:
            moved(device, waiting.pop())
        return execute(sql, params, many, context)

    directory = Directory()
    with connection.execute_wrapper(move_in_between):
        directory.refresh()
    assert not waiting
    known = directory.devices[device.pk]
    assert (known.gateway_id, known.lane) in {(left.id, 0), (right.id, 1)}
    directory.refresh()
    known = directory.devices[device.pk]
    assert (known.gateway_id, known.lane) == (right.id, 1)


def test_a_third_gateway_gets_a_lane_of_its_own_and_who_comes_back_gets_its_former_one(
    left, right, device, ward
) -> None:
    third = PairedGateway.of(register_gateway(name="Third", ward=ward))
    lanes = [moved(device, to).lane for to in (right, third, left, right, third)]
    assert lanes == [1, 2, 0, 1, 2]
    fourth = PairedGateway.of(register_gateway(name="Fourth", ward=ward))
    fifth = PairedGateway.of(register_gateway(name="Fifth", ward=ward))
    assert moved(device, fourth).lane == 3
    assert moved(device, fifth).lane == 0, "the one that was left longest ago"
    with pytest.raises(RegistrationRefused, match="never spoke for the device"):
        moved(device, left)  # its own was taken since
    assert Device.objects.get(pk=device.pk).gateway_id == fifth.id
    assert moved(device, right).lane == 1


def test_a_further_gateway_keeps_its_lane_while_the_device_moves(left, right, device, ward) -> None:
    path, _ = add_path(device=device, gateway=register_gateway(name="Beside", ward=ward))
    assert path.lane == 1
    assert moved(device, right).lane == 2
    other, _ = add_path(device=Device.objects.get(pk=device.pk), gateway=register_gateway(name="More", ward=ward))
    assert other.lane == 3
    with pytest.raises(RegistrationRefused, match="at most"):
        add_path(device=Device.objects.get(pk=device.pk), gateway=register_gateway(name="Too many", ward=ward))


def test_a_further_gateway_leaves_the_lane_of_a_former_one_as_long_as_there_is_another(
    left, right, device, ward
) -> None:
    moved(device, right)
    moved(device, left)
    path, _ = add_path(device=Device.objects.get(pk=device.pk), gateway=register_gateway(name="Beside", ward=ward))
    assert path.lane == 2
    assert moved(device, right).lane == 1


def test_a_further_gateway_whose_lane_was_taken_does_not_come_back(left, right, device, ward) -> None:
    beside = [register_gateway(name=f"Beside {number}", ward=ward) for number in range(4)]
    path, _ = add_path(device=device, gateway=beside[0])
    end_path(path=path)
    others = [add_path(device=device, gateway=one)[0] for one in beside[1:]]
    assert [one.lane for one in (path, *others)] == [1, 2, 3, 1]
    end_path(path=others[0])
    assert add_path(device=device, gateway=beside[1])[0].lane == 2
    for one in others:
        one.refresh_from_db()
        end_path(path=one)
    with pytest.raises(RegistrationRefused, match="never spoke for the device"):
        add_path(device=device, gateway=beside[0])
    assert add_path(device=device, gateway=beside[3])[0].lane == 1


@pytest.mark.parametrize("wrong", ["same", "never paired", "revoked", "speaks for it", "retired"])
def test_a_move_that_cannot_be_is_refused_and_changes_nothing(left, right, device, ward, wrong) -> None:
    target = Gateway.objects.get(pk=right.id)
    if wrong == "same":
        target = Gateway.objects.get(pk=left.id)
    elif wrong == "never paired":
        target = register_gateway(name="New", ward=ward, public_key=bytes(32))
    elif wrong == "revoked":
        set_gateway_state(gateway=target, state=GatewayState.RETIRED)
    elif wrong == "speaks for it":
        add_path(device=device, gateway=target)
    else:
        Device.objects.filter(pk=device.pk).update(state="retired")
    with pytest.raises(RegistrationRefused):
        move_device(device=device, to=target)
    assert Device.objects.get(pk=device.pk).gateway_id == left.id
    assert not DeviceHome.objects.exists()
    assert not Event.objects.filter(code="device_moved").exists()


def test_a_device_whose_certificate_was_revoked_is_moved_only_after_it_was_paired_anew(left, right, device) -> None:
    pair_now(device)
    revoke_all(device)
    with pytest.raises(RegistrationRefused, match="certificate was revoked"):
        moved(device, right)
    assert Device.objects.get(pk=device.pk).gateway_id == left.id
    pair_now(Device.objects.get(pk=device.pk))
    assert moved(device, right).gateway_id == right.id


def test_a_former_path_of_the_new_gateway_does_not_hinder(left, right, device) -> None:
    path, _ = add_path(device=device, gateway=Gateway.objects.get(pk=right.id))
    end_path(path=path)
    assert moved(device, right).lane == 2, "the path's queue may still hold numbers of its lane"


def test_what_was_wished_of_it_goes_along_and_a_code_that_waits_does_not(left, right, device) -> None:
    configure_device(device=device, wanted=DeviceSettings(5.0))
    begin_pairing(owner=device, server="https://house")
    moved(device, right)
    standing = standing_of(Device.objects.get(pk=device.pk))
    assert standing is not None
    assert standing.wish.every_s == 5.0
    assert standing.wish.number == Gateway.objects.get(pk=right.id).settings_number
    assert standing.taken_at is None
    assert Pairing.objects.get(device=device).state == PairingState.WITHDRAWN


def test_an_administrator_moves_it_on_a_page_and_back(client, cast, left, right, device) -> None:
    sign_in(client, cast["administrator"], fresh=True)
    page, place = f"/devices/{device.pk}/", f"/devices/{device.pk}/move/"
    text = client.get(place).content.decode()
    assert ">Right, " in text
    assert ">Left, " not in text, "it belongs to that one"
    assert "Its gateways" not in client.get(page).content.decode()
    assert client.post(place, {"gateway": right.id, "seen_at": left.id}).status_code == 302
    assert Device.objects.get(pk=device.pk).gateway_id == right.id
    text = client.get(page).content.decode()
    assert "Right has not told of it yet" in text
    assert f"&quot;device_id&quot;: {device.pk}" in text
    assert f"{place}?to={left.id}" in text
    assert f'<option value="{left.id}" selected' in client.get(f"{place}?to={left.id}").content.decode()
    client.post(place, {"gateway": left.id, "seen_at": right.id})
    assert Device.objects.get(pk=device.pk).gateway_id == left.id
    assert client.post(place, {"gateway": left.id, "seen_at": left.id}).status_code == 400


def test_who_saw_the_device_elsewhere_moves_nothing_and_is_asked_again(client, cast, left, right, device, ward) -> None:
    third = PairedGateway.of(register_gateway(name="Third", ward=ward))
    sign_in(client, cast["administrator"], fresh=True)
    place = f"/devices/{device.pk}/move/"
    assert f'name="seen_at" value="{left.id}"' in client.get(place).content.decode()
    moved(device, right)
    answer = client.post(place, {"gateway": third.id, "seen_at": left.id})
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "Somebody else moved it meanwhile" in text
    assert f'name="seen_at" value="{right.id}"' in text
    assert Device.objects.get(pk=device.pk).gateway_id == right.id


def test_a_move_to_another_ward_is_told_in_both(left, device, ward, other_ward) -> None:
    elsewhere = PairedGateway.of(register_gateway(name="Elsewhere", ward=other_ward))
    moved(device, elsewhere)
    told = Event.objects.filter(code="device_moved").values_list("ward_id", flat=True)
    assert set(told) == {ward.pk, other_ward.pk}


def test_the_page_says_when_the_new_gateway_has_told_of_it(client, cast, left, right, device) -> None:
    async def speak() -> None:
        await tell_until("ack", right, await greeted(right, device), time.time(), 60.0)
        await right.socket.disconnect()

    moved(device, right)
    async_to_sync(speak)()
    text = sign_in(client, cast["administrator"], fresh=True).get(f"/devices/{device.pk}/").content.decode()
    assert "Its gateways" in text
    assert "has not told of it yet" not in text


def test_who_may_not_configure_devices_or_another_ward_moves_nothing(
    client, cast, left, right, device, other_ward
) -> None:
    elsewhere = PairedGateway.of(register_gateway(name="Elsewhere", ward=other_ward))
    place = f"/devices/{device.pk}/move/"
    assert sign_in(client, cast["nurse"], fresh=True).post(
        place, {"gateway": right.id, "seen_at": left.id}
    ).status_code in {403, 404}
    sign_in(client, cast["administrator"], fresh=True)
    assert "Elsewhere" not in client.get(place).content.decode()
    assert client.post(place, {"gateway": elsewhere.id, "seen_at": left.id}).status_code == 400
    assert Device.objects.get(pk=device.pk).gateway_id == left.id
