"""What a gateway did on its own reaches the record once, with its own time, before it is acknowledged."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from channels.db import database_sync_to_async

from compliance.models import Event, Notice
from devices.models import EdgeFact
from devices.protocol.facts import MAX_FACT_BYTES, SWITCHED_OFF, Fact, FactKind, decode_fact, encode_fact
from devices.protocol.frames import FrameKind
from devices.services import ingest as ingest_module
from tests.conftest import sign_in
from tests.devices.ingest.cast import ToyDevice, events

pytestmark = pytest.mark.django_db(transaction=True)


def stopped(device: ToyDevice, at: float, **changed: object) -> Fact:
    described = {
        "device_id": device.id,
        "t": at,
        "kind": FactKind.ACTED,
        "rule": "severe_low",
        "alarm": 1,
        "seen": "glucose 52 and 50 mg/dL, 2 readings in a row below 54",
        "done": "the insulin pump was stopped",
        "cut_off": True,
        "values": {"glucose_mg_dl": 50.0},
    }
    return Fact(**(described | changed))  # type: ignore[arg-type]


def sealed(device: ToyDevice, payload: bytes) -> bytes:
    return device.seal(payload, device.header(FrameKind.FACT))


@pytest.fixture
def pump(make_device):
    return make_device("insulin_pump")


async def test_pump_that_was_stopped_while_cut_off_is_on_record_with_its_own_time(gateway, pump, patient) -> None:
    await gateway.connect()
    at = time.time() - 5 * 3600
    frame = sealed(pump, encode_fact(9, stopped(pump, at)))
    assert await gateway.send(frame) == {"type": "ack", "frames": [[pump.id, 1]]}
    (event,) = await events("edge_acted")
    local = datetime.fromtimestamp(at, tz=UTC).astimezone(ZoneInfo(patient.time_zone))
    assert event.message.startswith(f"At {local:%H:%M} ({patient.time_zone}), cut off from the server, the gateway")
    assert (event.patient_id, event.device_id, event.category) == (patient.pk, pump.id, "clinical")
    assert "50" not in event.message.partition(")")[2], "the log is never erased: it holds no values"
    assert event.detail["frame_sha256"] == hashlib.sha256(frame).hexdigest()
    fact = await database_sync_to_async(EdgeFact.objects.get)()
    assert (fact.seq, fact.at.timestamp(), bytes(fact.frame)) == (9, pytest.approx(at, abs=1e-3), frame)
    assert fact.received_at.timestamp() - fact.at.timestamp() > 4 * 3600
    notice = await database_sync_to_async(Notice.objects.get)(code="gateway_acted")
    assert f"/devices/{pump.id}/" in notice.link


async def test_fact_that_comes_twice_is_kept_once(gateway, pump) -> None:
    await gateway.connect()
    payload = encode_fact(9, stopped(pump, time.time()))
    for _ in range(2):
        assert (await gateway.send(sealed(pump, payload)))["type"] == "ack"
    assert await database_sync_to_async(EdgeFact.objects.count)() == 1
    assert await database_sync_to_async(Event.objects.filter(code="edge_acted").count)() == 1


async def test_how_a_gateway_sends_is_on_the_energy_page_and_not_in_the_log(gateway, pump, client, cast) -> None:
    await gateway.connect()
    done, why = "Readings leave every 2 minutes, deflated.", "Nothing that is allowed lasts 20 days."
    for seq, words in ((9, "Readings leave as soon as they come."), (10, done)):
        fact = stopped(
            pump, time.time() - 60 + seq, kind=FactKind.SENDING, rule="energy", alarm=0, seen=why, done=words
        )
        assert (await gateway.send(sealed(pump, encode_fact(seq, fact))))["type"] == "ack"
    assert not await database_sync_to_async(Event.objects.filter(code="edge_sending").exists)()
    await database_sync_to_async(sign_in)(client, cast["nurse"])
    for page in (f"/devices/{pump.id}/", f"/devices/{pump.id}/energy/"):
        said = (await database_sync_to_async(client.get)(page)).content.decode()
        assert (done in said) is page.endswith("energy/")
    assert why in said


async def test_a_full_disk_at_a_gateway_is_an_event_of_the_patient_and_one_notice_to_the_ward(
    gateway, pump, patient
) -> None:
    await gateway.connect()
    for seq in (9, 10):
        fact = stopped(pump, time.time(), kind=FactKind.DROPPED, rule="disk_full", alarm=0, values={"bulk": 12.0})
        assert (await gateway.send(sealed(pump, encode_fact(seq, fact))))["type"] == "ack"
    found = await events("edge_dropped")
    assert [(event.patient_id, event.category) for event in found] == [(patient.pk, "operation")] * 2
    assert "its disk was full" in found[0].message
    notice = await database_sync_to_async(Notice.objects.get)(code="gateway_dropped")
    assert notice.link == f"/devices/gateways/{notice.subject.removeprefix('gateway-')}/"
    assert "Dose events are kept" in notice.message


async def test_an_alarm_whose_rule_was_switched_off_is_no_end_of_what_it_was_about(gateway, pump) -> None:
    await gateway.connect()
    for seq, values in ((1, {SWITCHED_OFF: 1.0}), (2, {})):
        told = stopped(pump, time.time(), kind=FactKind.OVER, rule="low_battery", values=values)
        await gateway.send(sealed(pump, encode_fact(seq, told)))
    said = sorted(event.message.partition("the gateway ")[2] for event in await events("edge_over"))
    assert said == ["ended a local alarm, because its rule was switched off.", "saw the end of a local alarm."]


async def test_fact_of_a_time_when_nobody_wore_the_device_is_nobodys(gateway, pump) -> None:
    await gateway.connect()
    await gateway.send(sealed(pump, encode_fact(9, stopped(pump, time.time() - 99 * 86_400))))
    (event,) = await events("edge_acted")
    assert (event.patient_id, event.category) == (None, "operation")


async def test_fact_that_cannot_be_stored_is_not_acknowledged_and_comes_again(gateway, pump, monkeypatch) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("the database is away")

    await gateway.connect()
    payload = encode_fact(9, stopped(pump, time.time()))
    with monkeypatch.context() as broken:
        broken.setattr(ingest_module, "keep_facts", fail)
        answer = await gateway.send(sealed(pump, payload))
    assert (answer["type"], answer["permanent"]) == ("nack", False)
    assert (await gateway.send(sealed(pump, payload)))["type"] == "ack"
    assert await database_sync_to_async(EdgeFact.objects.count)() == 1


@pytest.mark.parametrize("wrong", ["device", "json", "short", "long", "nan", "time", "words", "field"])
async def test_malformed_fact_is_refused_by_name(gateway, pump, wrong: str) -> None:
    await gateway.connect()
    good = encode_fact(9, stopped(pump, 1000.0))
    payload = {
        "device": encode_fact(9, stopped(pump, 1000.0, device_id=pump.id + 1)),
        "json": good[:-4],
        "short": good[:10],
        "long": good + b" " * MAX_FACT_BYTES,
        "nan": good[:8] + b"\x7f\xf8" + bytes(6) + good[16:],
        "time": encode_fact(9, stopped(pump, 1001.0))[:16] + good[16:],
        "words": good.replace(b"the insulin pump was stopped", b"x" * 500),
        "field": good.replace(b'"done"', b'"dome"'),
    }[wrong]
    answer = await gateway.send(sealed(pump, payload))
    assert (answer["type"], answer["permanent"]) == ("nack", True)
    assert answer["code"] in ("frame_malformed", "frame_truncated", "frame_oversized", "reading_not_finite")
    assert await database_sync_to_async(EdgeFact.objects.count)() == 0


async def test_device_page_tells_what_the_gateway_did(gateway, pump, cast, client) -> None:
    await gateway.connect()
    await gateway.send(sealed(pump, encode_fact(9, stopped(pump, time.time() - 3600))))
    await events("edge_acted")
    text = await database_sync_to_async(lambda: page_for(client, cast["administrator"], pump))()
    assert "glucose 52 and 50 mg/dL" in text
    assert "the insulin pump was stopped" in text
    assert "cut off" in text


async def test_clock_of_a_device_is_on_its_page_and_no_event(gateway, pump, cast, client) -> None:
    await gateway.connect()
    words = "its clock is 90 s ahead, drifts +12 ppm"
    fact = stopped(pump, time.time(), kind=FactKind.CLOCK, rule="clock", seen=words, values={"ahead_s": 90.0})
    assert (await gateway.send(sealed(pump, encode_fact(9, fact))))["type"] == "ack"
    text = await database_sync_to_async(lambda: page_for(client, cast["administrator"], pump))()
    assert words in text
    assert "What the gateway did on its own" not in text
    assert await database_sync_to_async(Event.objects.filter(code="edge_clock").count)() == 0


def link(device: ToyDevice, age_s: float, median: float | None = None, **more: object) -> Fact:
    texts = more.pop("texts", {"radio": "bluetooth"})
    values = {"reconnects": 1.0, "refused": 2.0, "wrong_crc": 1.0, **more}
    if median is not None:
        values |= {"rssi_median_dbm": median, "rssi_lowest_dbm": median - 10.0, "signals": 20.0}
    described = {"kind": FactKind.LINK, "rule": "link", "alarm": 0, "values": values, "texts": texts}
    return stopped(device, time.time() - age_s, **described)


async def tell(gateway, device: ToyDevice, *facts: Fact) -> None:
    for fact in facts:
        seq = int(fact.t * 1e6)
        assert (await gateway.send(sealed(device, encode_fact(seq, fact))))["type"] == "ack"


async def test_how_a_device_is_heard_is_on_its_page_and_in_the_list_and_no_event(gateway, pump, cast, client) -> None:
    await gateway.connect()
    text = await database_sync_to_async(lambda: page_for(client, cast["administrator"], pump))()
    assert "No radio figures yet" in text
    weak = [link(pump, age_s, -84.0) for age_s in (5 * 3600, 1200)]
    await tell(gateway, pump, *weak, link(pump, 5, -58.0))
    for path in (f"/devices/{pump.id}/", "/devices/"):
        text = (await database_sync_to_async(client.get)(path)).content.decode()
        assert "strong, <span" in text
        assert "−58 dBm" in text
    text = await database_sync_to_async(lambda: page_for(client, cast["administrator"], pump))()
    assert "lowest −68 dBm" in text
    assert "−94 to −58 dBm" in text
    assert text.count("<polyline") == 2, "five hours of silence are no line"
    assert '<span class="number">3</span> times' in text
    assert '<span class="number">6</span> messages, <span class="number">3</span> of them with a wrong checksum' in text
    assert not await database_sync_to_async(Event.objects.filter(code__startswith="edge_").exists)()


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        ({"age_s": 5, "texts": {"radio": "none"}}, "not radio"),
        ({"age_s": 5, "texts": {"radio": "virtual"}}, "emulated radio, nothing to measure"),
        ({"age_s": 5}, "no radio figures yet"),
        ({"age_s": 3000, "median": -58.0}, "no news since"),
    ],
)
async def test_a_strength_that_nobody_measured_lately_is_not_shown(gateway, pump, cast, client, fact, words) -> None:
    await gateway.connect()
    await tell(gateway, pump, link(pump, **fact))
    came = datetime.fromtimestamp(time.time() - fact["age_s"], tz=UTC)
    await database_sync_to_async(EdgeFact.objects.update)(received_at=came)
    await database_sync_to_async(sign_in)(client, cast["administrator"])
    for path in (f"/devices/{pump.id}/", "/devices/"):
        text = (await database_sync_to_async(client.get)(path)).content.decode()
        assert words in text
        assert "strong, <span" not in text


async def test_other_firmware_than_before_is_an_event_that_does_not_say_which(gateway, pump, cast, client) -> None:
    def says(age_s: float, firmware: str) -> Fact:
        texts = {"firmware": firmware, "maker": "<Maker>"}
        described = {"kind": FactKind.ABOUT, "rule": "about", "alarm": 0, "values": {}, "texts": texts}
        return stopped(pump, time.time() - age_s, **described)

    await gateway.connect()
    await tell(gateway, pump, says(30, "1.0"), says(20, "1.0"))
    assert not await database_sync_to_async(Event.objects.filter(code="device_firmware_changed").exists)()
    await tell(gateway, pump, says(10, "1.1 of somebody"))
    (event,) = await events("device_firmware_changed")
    assert (event.category, event.device_id) == ("security", pump.id)
    assert "somebody" not in event.message + str(event.detail)
    text = await database_sync_to_async(lambda: page_for(client, cast["administrator"], pump))()
    assert "1.1 of somebody" in text
    assert "&lt;Maker&gt;" in text


def page_for(client, user, device: ToyDevice) -> str:
    return sign_in(client, user).get(f"/devices/{device.id}/").content.decode()


def test_fact_survives_its_own_encoding() -> None:
    fact = stopped(ToyDevice(5, b""), 1234.5)
    assert decode_fact(5, encode_fact(77, fact)) == (77, fact)
