"""What an acknowledged reading leaves behind: its frame as it came, the gateway's session, and one root in the log."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from channels.db import database_sync_to_async

from devices.evidence.checks import checks_of
from devices.evidence.outcome import Outcome
from devices.evidence.tree import root_of
from devices.kinds.registry import by_key
from devices.models import Device, FormerKey, FrameSeal, GatewaySession
from devices.protocol.frames import HEARD_VERSION, FrameKind, encode_readings, encode_waveform
from devices.protocol.heard import Run, encode_heard
from devices.selectors.evidence import evidence_of, waveform_for
from devices.services import sealing
from devices.services.ingest import stop_ingest
from devices.services.telemetry import store
from tests.conftest import sign_in
from tests.devices.evidence.scene import tamper
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _sealed_when_a_test_says_so(settings):
    """Or at the end of the writer: its own clock may strike between two lines of a test on a busy machine."""
    settings.SEAL_S = 3600


async def kept(device, seq: int = 1):
    """Return the group that brought a reading, and the frame's place in it."""
    reading = store().reading(device.id, seq)
    (found,) = store().groups_received(reading.received)
    return found, found.group.place_of(device.id, seq)


async def test_the_frame_of_an_acknowledged_reading_is_kept_as_it_came(gateway, monitor):
    await gateway.connect()
    now = time.time()
    frame = monitor.frame(("heart_rate", now, 71.5), ("spo2", now, 98.0))
    assert (await gateway.send(frame))["type"] == "ack"
    for seq in (1, 2):
        found, place = await kept(monitor, seq)
        assert found.group.frame(place) == frame


async def test_the_session_that_brought_a_frame_is_kept_with_its_signature(gateway, monitor):
    await gateway.connect()
    await gateway.send(monitor.frame(("heart_rate", time.time(), 71.5)))
    found, place = await kept(monitor)
    session = await database_sync_to_async(GatewaySession.objects.get)(digest=found.group.session_of(place))
    assert session.gateway_id == gateway.id
    assert session.transcript.holds()
    assert session.transcript.digest == found.group.session_of(place)
    assert not session.transcript._replace(nonce=bytes(32)).holds()
    await gateway.socket.disconnect()
    await asyncio.to_thread(stop_ingest)
    await database_sync_to_async(session.refresh_from_db)()
    assert session.closed_at is not None


async def test_refused_frames_leave_no_frame_behind(gateway, monitor):
    await gateway.connect()
    bad = bytearray(monitor.frame(("heart_rate", time.time(), 71.5)))
    bad[-1] ^= 1
    good = monitor.frame(("heart_rate", time.time(), 72.5))
    await gateway.send(bytes(bad), good)
    found, place = await kept(monitor, 2)
    assert len(found.group) == 1
    assert found.group.frame(place) == good


async def test_of_a_waveform_the_hash_is_kept_and_its_samples_give_the_frame_again(gateway, monitor, cast):
    await gateway.connect()
    samples = np.arange(-60, 65, dtype=np.int16)
    frame = monitor.waveform("ecg", time.time(), samples)
    await gateway.send(monitor.frame(("heart_rate", time.time(), 72.5)), frame)
    await asyncio.to_thread(stop_ingest)
    held = store().waveform(monitor.id, 1)
    groups = store().groups_received(held.received)
    assert [(len(one.group), one.group.of_waveforms, len(one.group.frames) == 1) for one in groups] == [
        (1, False, False), (1, True, True)
    ]  # fmt: skip
    assert groups[1].group.hash_of(0) == sha256(frame).digest()
    found = await database_sync_to_async(waveform_for)(cast["nurse"], store(), monitor.id, 1)
    assert found.rebuilt.frame == frame
    assert found.checks[1].outcome == "holds"
    assert {check.outcome for check in found.checks} <= {"holds", "waiting"}
    seals = await database_sync_to_async(sealed_frames)()
    assert [seal.frames for seal in seals] == [1, 1]  # a root of its own, so that it can go with the samples
    tamper("update waveform set samples = ? where device = ?", bytes(250), monitor.id)
    changed = await database_sync_to_async(waveform_for)(cast["nurse"], store(), monitor.id, 1)
    assert (changed.verdict, changed.checks[1].outcome) == ("broken", "broken")
    store().drop_waveforms_before(time.time() + 1)
    assert [one.group.of_waveforms for one in store().groups_received(held.received)] == [False]


def sealed_frames() -> list[FrameSeal]:
    return list(FrameSeal.objects.order_by("first_received_at"))


async def test_every_frame_is_under_exactly_one_root(gateway, monitor):
    await gateway.connect()
    for value in (70.0, 71.0, 72.0):
        await gateway.send(monitor.frame(("heart_rate", time.time(), value)))
        await database_sync_to_async(sealing.seal_frames)(store())
    await asyncio.to_thread(stop_ingest)
    seals = await database_sync_to_async(sealed_frames)()
    assert [seal.frames for seal in seals] == [1, 1, 1]
    for seal in seals:
        leaves = [leaf for found in store().groups_sealed(str(seal.name)) for leaf in found.group.leaves()]
        assert root_of(leaves) == bytes(seal.root)
    assert store().unsealed_groups(10) == store().unlogged_seals() == []


async def test_what_was_sealed_but_not_logged_when_the_server_died_is_logged_once(gateway, monitor, monkeypatch):
    class Killed(BaseException):
        pass

    def die(seal):
        raise Killed

    await gateway.connect()
    await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0)))
    await asyncio.to_thread(stop_ingest)
    await database_sync_to_async(FrameSeal.objects.all().delete)()
    await gateway.connect()
    await gateway.send(monitor.frame(("heart_rate", time.time(), 71.0)))
    with monkeypatch.context() as patched:
        patched.setattr(sealing, "_log", die)
        with pytest.raises(Killed):  # between the store's commit and the log's
            await database_sync_to_async(sealing.seal_frames)(store())
        patched.undo()
    assert len(store().unlogged_seals()) == 1
    await database_sync_to_async(sealing.seal_frames)(store())
    await database_sync_to_async(sealing.seal_frames)(store())
    assert len(await database_sync_to_async(sealed_frames)()) == 1
    (seal,) = await database_sync_to_async(sealed_frames)()
    await database_sync_to_async(sealing._log)(store_seal(seal))  # killed between the log's commit and the note of it
    assert len(await database_sync_to_async(sealed_frames)()) == 1


async def test_sealing_outlives_an_error_that_it_does_not_know(gateway, monitor, monkeypatch):
    await gateway.connect()
    await gateway.send(monitor.frame(("heart_rate", time.time(), 71.5)))
    failed = threading.Event()

    def fail(leaves):
        failed.set()
        raise ValueError

    with monkeypatch.context() as patched:
        patched.setattr(sealing, "root_of", fail)
        sealer = sealing.Sealer(store(), 0.01)
        assert await asyncio.to_thread(failed.wait, PATIENCE_S)
    await asyncio.to_thread(sealer.stop)
    assert store().unsealed_groups(10) == []


def store_seal(seal: FrameSeal):
    from devices.telemetry import Seal

    times = (seal.first_received_at.timestamp(), seal.last_received_at.timestamp())
    return Seal(str(seal.name), bytes(seal.root), seal.frames, *times)


async def test_old_frames_and_old_keys_go_after_the_time_that_is_set(gateway, monitor, settings, monkeypatch):
    from devices.models import Device
    from devices.protocol.suites import Suite
    from devices.selectors.keys import key_of_epoch
    from devices.services.registry import renew_device_key

    await gateway.connect()
    await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0)))
    device = await database_sync_to_async(Device.objects.get)(pk=monitor.id)
    await database_sync_to_async(renew_device_key)(device=device)
    former = await database_sync_to_async(key_of_epoch)(device, 1)
    assert former == (monitor.key, Suite.ASCON_AEAD128)
    await database_sync_to_async(sealing.drop_old_frames)(store())
    assert (await kept(monitor))[0].group.frames is not None
    settings.FRAMES_KEPT_DAYS = 0
    await database_sync_to_async(sealing.drop_old_frames)(store())
    found, place = await kept(monitor)
    assert (found.group.frame(place), len(found.group.hash_of(place))) == (None, 32)
    assert await database_sync_to_async(FormerKey.objects.count)() == 0
    assert await database_sync_to_async(key_of_epoch)(device, 1) is None


def sealed_with_times(device, heard: list[Run], kind=FrameKind.READINGS, payload=b"") -> bytes:
    header = device.header(kind)._replace(version=HEARD_VERSION)
    return device.seal(encode_heard(heard) + payload, header)


async def test_when_the_gateway_heard_a_reading_is_kept_and_shown_with_what_proves_it(gateway, monitor, cast, client):
    await gateway.connect()
    now = time.time()
    payload = encode_readings(1, [by_key("heart_rate").code] * 3, [now - 90, now - 60, now], [70.0, 71.0, 72.0])
    frame = sealed_with_times(monitor, [Run(2, now - 59.5), Run(1, now + 0.5)], payload=payload)
    assert (await gateway.send(frame))["type"] == "ack"
    assert (await gateway.send(monitor.frame(("heart_rate", now + 1, 73.0), seq=4)))["type"] == "ack"

    def evidence(seq):
        return evidence_of(store(), Device.objects.get(pk=monitor.id), None, store().reading(monitor.id, seq))

    found = [await database_sync_to_async(evidence)(seq) for seq in (1, 2, 3, 4)]
    assert [one.facts.heard for one in found] == [now - 59.5, now - 59.5, now + 0.5, None], "of version 1 nobody knows"
    assert [one.heard_at is None for one in found] == [False, False, False, True]
    for one in found:
        held = {check.name: check.outcome for check in one.checks}
        assert held["The value is the one inside"] is Outcome.HOLDS
    address = f"/evidence/reading/{monitor.id}/1/"
    page = await database_sync_to_async(lambda: sign_in(client, cast["physician"]).get(address))()
    assert "the gateway's clock" in page.content.decode()
    group = replace(found[0].facts.stored.group, heard=found[0].facts.stored.group.heard[1:])
    spoiled = replace(found[0].facts, stored=found[0].facts.stored._replace(group=group))
    held = {check.name: check.outcome for check in checks_of(spoiled)}
    assert held["The value is the one inside"] is Outcome.BROKEN, "another time in the store is seen"


async def test_a_block_proves_when_it_was_heard(gateway, monitor, cast):
    await gateway.connect()
    now, samples = time.time(), np.arange(-60, 65, dtype=np.int16)
    payload = encode_waveform(1, by_key("ecg").code, now, 0.004, 0.005, samples)
    answer = await gateway.send(sealed_with_times(monitor, [Run(1, now + 1.0)], FrameKind.WAVEFORM, payload=payload))
    assert answer["type"] == "ack"
    proven = await database_sync_to_async(waveform_for)(cast["physician"], store(), monitor.id, 1)
    assert proven.rebuilt.same
    assert proven.facts.heard == now + 1.0


@pytest.mark.parametrize("said", [[Run(2, 1.0)], [Run(1, 1.0), Run(1, 2.0)]])
async def test_times_that_are_not_those_of_the_readings_are_refused(gateway, monitor, said):
    await gateway.connect()
    payload = encode_readings(1, [by_key("heart_rate").code], [time.time()], [70.0])
    assert (await gateway.send(sealed_with_times(monitor, said, payload=payload)))["code"] == "frame_malformed"
