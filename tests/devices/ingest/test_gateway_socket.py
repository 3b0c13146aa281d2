"""The gateway's socket from outside: what is acknowledged is stored; what is wrong is refused and recorded by name."""

from __future__ import annotations

import asyncio
import json
import time

import numpy as np
import pytest
from channels.db import database_sync_to_async

from devices.kinds.registry import by_key
from devices.models import Device
from devices.protocol.frames import MAX_FRAME_BYTES, join_frames
from devices.protocol.hello import make_hello
from devices.protocol.suites import Suite
from devices.services.admission import CREDIT, MAX_MESSAGE_BYTES
from devices.services.registry import renew_device_key
from devices.services.telemetry import store
from tests.devices.ingest.cast import events
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.django_db(transaction=True)
HEART_RATE = by_key("heart_rate").code


def stored(device, key="heart_rate"):
    return store().history([device.id], [by_key(key).code], 0, time.time() + 1e6)


async def test_a_sealed_frame_is_stored_and_acknowledged(gateway, monitor):
    await gateway.connect()
    now = time.time()
    answer = await gateway.send(monitor.frame(("heart_rate", now, 71.5), ("spo2", now, 98.0)))
    assert answer == {"type": "ack", "frames": [[monitor.id, 1]]}
    assert [(row.seq, row.value) for row in stored(monitor)] == [(1, 71.5)]
    assert {row.value for row in store().latest([monitor.id])} == {71.5, 98.0}


async def test_a_waveform_block_is_stored(gateway, monitor):
    await gateway.connect()
    t0 = time.time()
    samples = np.arange(-100, 100, dtype=np.int16)
    assert (await gateway.send(monitor.waveform("ecg", t0, samples)))["type"] == "ack"
    (block,) = store().waveforms(monitor.id, by_key("ecg").code, t0 - 1, t0 + 1)
    assert block.samples.tolist() == samples.tolist()


async def test_many_frames_in_one_message_are_all_acknowledged(gateway, monitor):
    await gateway.connect()
    now = time.time()
    answer = await gateway.send(*[monitor.frame(("heart_rate", now, 60.0 + i)) for i in range(CREDIT)])
    assert answer["frames"] == [[monitor.id, counter] for counter in range(1, CREDIT + 1)]
    assert len(stored(monitor)) == CREDIT


async def test_a_reading_sent_again_under_a_new_counter_is_acknowledged_and_stored_once(gateway, monitor):
    await gateway.connect()
    now = time.time()
    await gateway.send(monitor.frame(("heart_rate", now, 70.0), seq=5))
    again = await gateway.send(monitor.frame(("heart_rate", now, 70.0), seq=5))
    assert again == {"type": "ack", "frames": [[monitor.id, 2]]}
    assert [row.seq for row in stored(monitor)] == [5]


@pytest.mark.parametrize("spoil", ["tag", "text", "header", "key"])
async def test_a_forged_frame_is_refused(gateway, monitor, spoil):
    await gateway.connect()
    frame = bytearray(monitor.frame(("heart_rate", time.time(), 70.0)))
    if spoil == "key":
        frame = bytearray(monitor.seal(b"x" * 60, key=bytes(16)))
    else:
        frame[{"tag": -1, "text": 30, "header": 19}[spoil]] ^= 2
    answer = await gateway.send(bytes(frame))
    assert (answer["type"], answer["code"], answer["permanent"]) == ("nack", "frame_forged", True)
    (event,) = await events("frame_forged")
    assert (event.category, event.device_id, event.gateway_id) == ("security", monitor.id, gateway.id)
    assert stored(monitor) == []


async def test_a_replayed_frame_is_refused_in_the_same_and_in_a_later_group(gateway, monitor):
    await gateway.connect()
    frame = monitor.frame(("heart_rate", time.time(), 70.0))
    await gateway.socket.send_to(bytes_data=join_frames([frame, frame]))
    answers = [await gateway.hear(), await gateway.hear()]
    assert {answer["type"] for answer in answers} == {"ack", "nack"}
    assert (await gateway.send(frame))["code"] == "frame_replayed"
    (event,) = await events("frame_replayed")
    assert event.category == "security"
    assert len(stored(monitor)) == 1


async def test_a_replayed_frame_is_refused_after_a_restart_of_the_server(gateway, monitor):
    from devices.services.ingest import stop_ingest

    await gateway.connect()
    frame = monitor.frame(("heart_rate", time.time(), 70.0))
    assert (await gateway.send(frame))["type"] == "ack"
    stop_ingest()
    await gateway.connect()
    assert (await gateway.send(frame))["code"] == "frame_replayed"


async def test_reordered_frames_are_both_accepted(gateway, monitor):
    await gateway.connect()
    first = monitor.frame(("heart_rate", time.time() - 1, 70.0))
    second = monitor.frame(("heart_rate", time.time(), 80.0))
    assert (await gateway.send(second))["type"] == "ack"
    assert (await gateway.send(first))["type"] == "ack"
    assert [row.value for row in store().latest([monitor.id])] == [80.0]


async def test_a_frame_of_another_gateways_device_is_refused(gateway, other_gateway, monitor):
    await other_gateway.connect()
    answer = await other_gateway.send(monitor.frame(("heart_rate", time.time(), 70.0)))
    assert answer["code"] == "frame_wrong_device"
    (event,) = await events("frame_wrong_device")
    assert (event.device_id, event.gateway_id) == (monitor.id, other_gateway.id)


async def test_a_frame_of_no_device_is_refused(gateway, monitor):
    await gateway.connect()
    answer = await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0), device=4_000_000_000))
    assert (answer["code"], answer["device"]) == ("frame_wrong_device", 4_000_000_000)
    assert (await events("frame_wrong_device"))[0].device_id is None


async def test_a_frame_under_an_old_key_epoch_is_refused(gateway, monitor):
    await gateway.connect()
    answer = await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0), epoch=7))
    assert answer["code"] == "frame_epoch_unknown"
    await events("frame_epoch_unknown")


async def test_a_frame_under_another_cipher_than_the_devices_is_refused(gateway, monitor):
    await gateway.connect()
    monitor.suite = Suite.PHOTON_BEETLE
    answer = await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0)))
    assert (answer["code"], answer["permanent"]) == ("frame_cipher_refused", True)
    await events("frame_cipher_refused")


async def test_a_deflated_frame_is_stored_like_any_other(gateway, monitor):
    await gateway.connect()
    monitor.deflate = True
    now = time.time()
    readings = [("heart_rate", now + i / 10, 70.0) for i in range(40)]
    assert (await gateway.send(monitor.frame(*readings)))["type"] == "ack"
    assert len(stored(monitor)) == 40


async def test_a_payload_that_unpacks_to_more_than_a_frame_holds_is_refused(gateway, monitor):
    await gateway.connect()
    monitor.deflate = True
    answer = await gateway.send(monitor.seal(bytes(10_000_000)))
    assert (answer["code"], answer["permanent"]) == ("frame_oversized", True)
    await events("frame_oversized")


@pytest.mark.parametrize("suite", [Suite.AES_128_GCM, Suite.PHOTON_BEETLE])
async def test_a_device_that_was_given_another_cipher_is_heard_under_it_alone(gateway, monitor, suite, settings):
    settings.MEASUREMENT_CIPHERS = True
    device = await database_sync_to_async(Device.objects.get)(pk=monitor.id)
    monitor.key = await database_sync_to_async(renew_device_key)(device=device, suite=suite)
    monitor.epoch = 2
    await gateway.connect()
    assert (await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0))))["code"] == "frame_cipher_refused"
    monitor.suite = suite
    assert (await gateway.send(monitor.frame(("heart_rate", time.time(), 71.0))))["type"] == "ack"
    await events("device_cipher_chosen")


@pytest.mark.parametrize(("length", "code"), [(10, "frame_truncated"), (36, "frame_forged"), (50, "frame_forged")])
async def test_a_truncated_frame_is_refused(gateway, monitor, length, code):
    await gateway.connect()
    answer = await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0))[:length])
    assert answer["code"] == code
    await events(code)


async def test_an_authentic_frame_with_a_short_payload_is_refused(gateway, monitor):
    await gateway.connect()
    assert (await gateway.send(monitor.seal(b"short")))["code"] == "frame_truncated"
    good = await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0)))
    assert good["type"] == "ack"


async def test_an_oversized_frame_is_refused_alone(gateway, monitor):
    await gateway.connect()
    big = monitor.seal(bytes(MAX_FRAME_BYTES))
    good = monitor.frame(("heart_rate", time.time(), 70.0))
    await gateway.socket.send_to(bytes_data=join_frames([big, good]))
    answers = {answer["type"]: answer for answer in [await gateway.hear(), await gateway.hear()]}
    assert answers["nack"]["code"] == "frame_oversized"
    assert answers["ack"]["frames"] == [[monitor.id, 2]]
    await events("frame_oversized")


async def test_an_oversized_message_closes_the_socket(gateway, monitor):
    await gateway.connect()
    await gateway.socket.send_to(bytes_data=bytes(MAX_MESSAGE_BYTES + 1))
    assert await gateway.closed() == 4413  # Daphne raises for codes below 3000
    await events("frame_oversized")


async def test_a_message_that_the_server_itself_refused_is_kept_as_an_event(gateway, monitor):
    await gateway.connect()
    # What twin.daphne tells of a message beyond any bound: it never hands that on.
    await gateway.socket.send_input({"type": "websocket.disconnect", "code": 1009})
    await events("frame_oversized")


async def test_a_message_that_ends_inside_a_frame_closes_the_socket(gateway, monitor):
    await gateway.connect()
    await gateway.socket.send_to(bytes_data=join_frames([monitor.frame(("heart_rate", time.time(), 70.0))])[:-1])
    assert await gateway.closed() == 4400
    await events("frame_truncated")


@pytest.mark.parametrize(
    ("reading", "code"),
    [
        ((0x7FFF_0001, 0.0, 70.0), "reading_metric_unknown"),
        (("glucose", 0.0, 100.0), "reading_metric_unknown"),
        (("ecg", 0.0, 1.0), "reading_metric_unknown"),
        (("heart_rate", 0.0, float("nan")), "reading_not_finite"),
        (("heart_rate", 0.0, float("inf")), "reading_not_finite"),
        (("heart_rate", 0.0, -1.0), "reading_out_of_range"),
        (("heart_rate", 0.0, 1e6), "reading_out_of_range"),
        (("heart_rate", 330.0, 70.0), "reading_clock_jump"),
        (("heart_rate", -31 * 86400.0, 70.0), "reading_clock_jump"),
    ],
)
async def test_a_bad_reading_is_dropped_and_recorded_and_the_rest_of_its_frame_is_kept(
    gateway, monitor, patient, reading, code
):
    await gateway.connect()
    now = time.time()
    key, offset_s, value = reading
    if abs(offset_s) > 20 * 86400:  # one frame spans at most 24 days, so the bad reading travels alone
        assert (await gateway.send(monitor.frame((key, now + offset_s, value))))["type"] == "ack"
        kept = []
    else:
        answer = await gateway.send(monitor.frame(("spo2", now, 97.0), (key, now + offset_s, value)))
        assert answer["type"] == "ack"
        kept = [97.0]
    (event,) = await events(code)
    assert (event.category, event.device_id, event.patient_id) == ("data_quality", monitor.id, patient.id)
    assert [row.value for row in store().latest([monitor.id])] == kept


async def test_a_flood_of_the_same_fault_is_one_event_that_counts(gateway, monitor):
    await gateway.connect()
    now = time.time()
    await gateway.send(monitor.frame(*[("heart_rate", now, float("nan"))] * 50))
    (event,) = await events("reading_not_finite")
    assert event.count == 50


async def test_an_impossible_waveform_is_dropped(gateway, monitor):
    await gateway.connect()
    t0 = time.time()
    samples = np.full(100, 32000, np.int16)
    assert (await gateway.send(monitor.waveform("ecg", t0, samples, scale=100.0)))["type"] == "ack"
    await events("reading_out_of_range")
    assert store().waveforms(monitor.id, by_key("ecg").code, 0, t0 + 1) == []


@pytest.mark.parametrize(
    ("ahead_s", "scale", "code"),
    [
        (290.0, 0.005, "reading_clock_jump"),  # begins in time, ends 24 s too late
        (0.0, 0.0, "reading_out_of_range"),
        (0.0, -0.005, "reading_out_of_range"),
        (0.0, 1e-42, "reading_out_of_range"),
    ],
)
async def test_a_waveform_that_ends_in_the_future_or_has_no_scale_is_dropped(gateway, monitor, ahead_s, scale, code):
    await gateway.connect()
    t0 = time.time() + ahead_s
    await gateway.send(monitor.waveform("ecg", t0, np.ones(6000, np.int16), scale=scale))
    await events(code)
    assert store().waveforms(monitor.id, by_key("ecg").code, 0, t0 + 1) == []


async def test_other_content_under_a_known_number_changes_nothing_and_is_recorded(gateway, monitor, patient):
    await gateway.connect()
    now = time.time()
    await gateway.send(monitor.frame(("heart_rate", now, 70.0), ("heart_rate", now + 1, 71.0), seq=5))
    again = monitor.frame(("heart_rate", now + 1, 71.0), ("heart_rate", now + 2, 99.0), seq=6)
    other = monitor.frame(("heart_rate", now + 3, 140.0), seq=5)
    assert (await gateway.send(again, other))["type"] == "ack"
    (event,) = await events("reading_sequence_reused")
    assert (event.category, event.device_id, event.patient_id) == ("data_quality", monitor.id, patient.id)
    assert event.count == 1
    assert [row.value for row in stored(monitor)] == [70.0, 71.0, 99.0]
    assert [row.value for row in store().latest([monitor.id])] == [99.0]


async def test_a_waveform_under_a_known_number_is_recorded_unless_it_is_the_same(gateway, monitor):
    await gateway.connect()
    t0 = time.time()
    await gateway.send(monitor.waveform("ecg", t0, np.ones(10, np.int16)))
    monitor.seq -= 1
    await gateway.send(monitor.waveform("ecg", t0, np.ones(10, np.int16)))
    monitor.seq -= 1
    await gateway.send(monitor.waveform("ecg", t0, np.zeros(10, np.int16)))
    (event,) = await events("reading_sequence_reused")
    assert event.count == 1


async def test_more_unanswered_frames_than_the_credit_close_the_socket(gateway, monitor):
    await gateway.connect()
    now = time.time()
    frames = [monitor.frame(("heart_rate", now, 70.0)) for _ in range(CREDIT + 1)]
    await gateway.socket.send_to(bytes_data=join_frames(frames))
    assert await gateway.closed() == 4400
    await events("gateway_credit_exceeded")


@pytest.mark.parametrize("lie", ["signature", "gateway", "nonce", "json", "nested", "binary", "long"])
async def test_a_gateway_that_cannot_prove_itself_is_refused(gateway, other_gateway, lie):
    challenge = await gateway.open()
    if lie == "nonce":
        challenge["nonce"] = "00" * 32
    hello = make_hello(challenge, gateway_id=gateway.id, software="x", key=gateway.key)
    if lie == "signature":
        hello["signature"] = "00" * 64
    if lie == "gateway":
        hello["gateway"] = other_gateway.id
    text = {"json": "{", "nested": '{"x":' + "[" * 1000, "long": "x" * 5000}.get(lie, json.dumps(hello))
    if lie == "binary":
        await gateway.socket.send_to(bytes_data=b"hello")
    else:
        await gateway.socket.send_to(text_data=text)
    answer = await gateway.hear()
    assert (answer["type"], answer["code"]) == ("refused", "gateway_refused")
    assert await gateway.closed() == 4401
    await events("gateway_refused")


async def test_a_gateway_of_another_registry_is_refused(gateway):
    challenge = await gateway.open()
    hello = make_hello(challenge, gateway_id=99_999, software="x", key=gateway.key)
    await gateway.socket.send_to(text_data=json.dumps(hello))
    assert (await gateway.hear())["type"] == "refused"


async def test_the_newest_connection_of_a_gateway_wins(gateway, monitor):
    await gateway.connect()
    older = gateway.socket
    await gateway.connect()
    newer, gateway.socket = gateway.socket, older
    assert await gateway.closed() == 4409
    gateway.socket = newer
    assert (await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0))))["type"] == "ack"


async def test_a_quarantined_gateway_is_cut_off_without_being_told(gateway, monitor):
    from channels.db import database_sync_to_async

    from devices.models import Gateway

    await gateway.connect()
    await database_sync_to_async(Gateway.objects.filter(pk=gateway.id).update)(state="quarantined")
    assert await gateway.closed() == 4403


async def test_a_quarantined_device_is_refused_without_being_told(gateway, monitor):
    from channels.db import database_sync_to_async

    from devices.models import Device

    await gateway.connect()
    await database_sync_to_async(Device.objects.filter(pk=monitor.id).update)(state="quarantined")
    async with asyncio.timeout(PATIENCE_S):  # until the registry was read again
        while (answer := await gateway.send(monitor.frame(("heart_rate", time.time(), 70.0))))["type"] == "ack":
            await asyncio.sleep(0.05)
    assert answer["code"] == "frame_wrong_device"


async def test_connecting_and_leaving_are_stored_and_announced(gateway):
    from channels.db import database_sync_to_async

    from devices.models import Gateway
    from devices.signals import gateway_link_changed

    heard: list[tuple[int, bool]] = []

    def listen(gateway_id: int, connected: bool, **_: object) -> None:
        heard.append((gateway_id, connected))

    gateway_link_changed.connect(listen)
    try:
        await gateway.connect()
        row = await database_sync_to_async(Gateway.objects.get)(pk=gateway.id)
        assert row.connected_at is not None
        assert row.software == "toy"
        await gateway.socket.disconnect()
        await until(lambda: len(heard) == 2)
    finally:
        gateway_link_changed.disconnect(listen)
    assert heard == [(gateway.id, True), (gateway.id, False)]
