"""A gateway that runs something else than what was approved is quarantined at its next connection, by name."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from channels.db import database_sync_to_async
from django.core.management import CommandError, call_command

from compliance.models import Event, Notice
from devices.gateway import measure as measure_module
from devices.gateway.measure import code_digest, measure
from devices.models import Gateway, GatewayMeasurement, GatewayState
from devices.services.attestation import approve_measurement, note_measurement
from devices.services.directory import KnownGateway
from devices.services.gateways import set_gateway_state
from devices.services.ingest import ingest
from tests.conftest import sign_in
from tests.devices.ingest.cast import events
from tests.devices.pairing.paired import PairedGateway, refused
from tests.patience import until

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = bytes(range(64))
OTHER_CODE = bytes(32) + GOOD[32:]
OTHER_CONFIG = GOOD[:32] + bytes(32)


@pytest.fixture
def toy(transactional_db, ward):
    from devices.services.registry import register_gateway

    return PairedGateway.of(register_gateway(name="North", ward=ward))


async def greet(toy: PairedGateway, measurement: bytes) -> str:
    """Connect showing that measurement; return "welcome" or the refusal's code."""
    challenge = await toy.open()
    greeting = toy.greeting()
    hello = greeting.hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software="toy", measurement=measurement)
    await toy.say(hello)
    message = await toy.hear()
    await toy.socket.disconnect()
    return message["code"] if message["type"] == "refused" else message["type"]


async def approve(toy: PairedGateway) -> str:
    said = StringIO()
    await database_sync_to_async(call_command)("approve_gateway", "North", stdout=said)
    await heard(toy, lambda known: any(known.measurements.values()))
    return said.getvalue()


async def heard(toy: PairedGateway, of: Callable[[KnownGateway], bool]) -> None:
    """Wait until the writer has read it: that takes as long as its look at the registry."""
    await until(lambda: of(ingest().directory.gateways[toy.id]))


async def state(toy: PairedGateway) -> str:
    return (await database_sync_to_async(Gateway.objects.get)(pk=toy.id)).state


async def test_gateway_connects_with_anything_until_something_was_approved(toy) -> None:
    for shown in (b"", GOOD, OTHER_CODE):
        assert await greet(toy, shown) == "welcome"
    assert await state(toy) == GatewayState.ACTIVE


async def test_approved_measurement_gets_in_again_and_again(toy) -> None:
    await greet(toy, GOOD)
    assert await approve(toy) == f"approved: code {GOOD.hex()[:16]}, configuration {GOOD.hex()[64:80]}\n"
    for _ in range(2):
        assert await greet(toy, GOOD) == "welcome"
    (event,) = await events("gateway_measurement_approved")
    assert event.detail == {"measurement": GOOD.hex()}


@pytest.mark.parametrize(
    ("shown", "what"),
    [
        pytest.param(OTHER_CODE, "software", id="code"),
        pytest.param(OTHER_CONFIG, "configuration", id="configuration"),
        pytest.param(b"", "software", id="none"),
    ],
)
async def test_other_measurement_is_refused_quarantined_and_named(toy, shown: bytes, what: str) -> None:
    await greet(toy, GOOD)
    await approve(toy)
    assert await greet(toy, shown) == "gateway_unattested_refused"
    assert await state(toy) == GatewayState.QUARANTINED
    (event,) = await events("gateway_unattested")
    assert f"its {what} is not what was approved" in event.message
    assert event.gateway_id == toy.id
    assert await database_sync_to_async(Notice.objects.filter(link=f"/devices/gateways/{toy.id}/").count)() == 1
    await heard(toy, lambda known: not known.active)
    assert await greet(toy, GOOD) == "gateway_refused", "until somebody lets it in"


def test_person_who_lets_it_in_sees_what_it_shows_and_approves_that(toy, cast, client) -> None:
    gateway = Gateway.objects.get(pk=toy.id)
    note_measurement(gateway.pk, GOOD)
    approve_measurement(gateway=gateway)
    assert not note_measurement(gateway.pk, OTHER_CODE)
    sign_in(client, cast["administrator"], fresh=True)
    page = client.get(f"/devices/gateways/{gateway.pk}/").content.decode()
    assert "something else than what was approved" in page
    question = f"/devices/gateways/{gateway.pk}/state/active/"
    asked = client.get(question).content.decode()
    assert OTHER_CODE.hex()[:16] in asked
    assert "approves this one" in asked
    assert client.post(question).status_code == 302
    approved = GatewayMeasurement.objects.get(value=OTHER_CODE.hex())
    assert approved.approved_by == cast["administrator"]
    gateway.refresh_from_db()
    assert gateway.state == GatewayState.ACTIVE


async def test_quarantine_by_hand_approves_nothing_when_it_ends(toy) -> None:
    await greet(toy, GOOD)
    gateway = await database_sync_to_async(Gateway.objects.get)(pk=toy.id)
    for wanted in (GatewayState.QUARANTINED, GatewayState.ACTIVE):
        await database_sync_to_async(set_gateway_state)(gateway=gateway, state=wanted)
    assert not await database_sync_to_async(GatewayMeasurement.objects.exclude(approved_at=None).exists)()


async def test_gateway_that_showed_nothing_cannot_be_approved(toy) -> None:
    with pytest.raises(CommandError, match="no measurement yet"):
        await approve(toy)
    with pytest.raises(CommandError, match="no gateway is named"):
        await database_sync_to_async(call_command)("approve_gateway", "South")
    assert await database_sync_to_async(Event.objects.filter(code="gateway_unattested").count)() == 0


async def test_refusal_is_heard_as_one(toy) -> None:
    await greet(toy, GOOD)
    await approve(toy)
    challenge = await toy.open()
    await toy.say(toy.greeting().hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software="toy"))
    assert await refused(toy.socket) == "gateway_unattested_refused"


def test_measurement_changes_with_one_byte_of_code_or_configuration(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "devices"
    package.mkdir()
    (package / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(measure_module.devices, "__path__", [str(package)])
    config = tmp_path / "config.json"
    config.write_text("{}")
    first = measure(config)
    assert (len(first), measure(config)) == (64, first)
    assert first[32:] == hashlib.sha256(b"{}").digest()
    (package / "a.py").write_text("x = 2\n")
    changed = measure(config)
    assert changed[:32] != first[:32]
    assert changed[32:] == first[32:]
    (package / "b.py").write_text("")
    assert measure(config)[:32] != changed[:32], "a file that was added"
    config.write_text("{ }")
    assert measure(config)[32:] != first[32:]


def test_plant_from_outside_counts_as_code() -> None:
    assert code_digest("tests.devices.gateway.plants:build") != code_digest("")
    assert code_digest("devices.emulator.plant:x") == code_digest("")
    assert code_digest("no_such_module:build") == code_digest("")
