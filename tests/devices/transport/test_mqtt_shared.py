"""Several bridges at one broker: they share its gateways evenly, and whose gateways lose a bridge go to the other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devices.services import mqtt_serving
from devices.services.mqtt import Bridge
from devices.transport import mqtt
from tests.devices.transport.conformance.carriers import MqttCarrier, ToyGateway
from tests.devices.transport.conformance.conftest import in_a_hurry  # noqa: F401
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.mqtt, pytest.mark.django_db(transaction=True)]
GATEWAYS = 24


@pytest.fixture
def gateways(transactional_db, ward, tmp_path):
    from devices.services.registry import register_gateway

    made = []
    for number in range(GATEWAYS):
        key = Ed25519PrivateKey.generate()
        row = register_gateway(name=f"gw-{number}", ward=ward, public_key=key.public_key().public_bytes_raw())
        made.append(ToyGateway(row.pk, key, tmp_path))
    return made


@pytest.fixture
async def carrier(gateways, in_a_hurry, tmp_path):  # noqa: F811
    async with MqttCarrier(tmp_path).open() as opened:
        yield opened


@pytest.fixture
def bridges(monkeypatch) -> list[Bridge]:
    """Every bridge that hears gateways and has told them so, in order."""
    made: list[Bridge] = []

    class Noted(Bridge):
        def __init__(self, broker, *arguments) -> None:
            super().__init__(broker, *arguments)
            publish = broker.publish

            async def note(topic, *said, **properties) -> None:
                await publish(topic, *said, **properties)
                if self._address.bridge_of(topic) and self not in made:
                    made.append(self)

            broker.publish = note

    monkeypatch.setattr(mqtt_serving, "Bridge", Noted)
    monkeypatch.setattr(mqtt_serving, "stop_ingest", lambda: None)  # here they share a writer, which the test ends
    return made


def shares(bridges: list[Bridge]) -> list[int]:
    return [len(bridge._links) for bridge in bridges]


async def test_bridges_share_the_gateways_and_take_over_from_each_other(bridges, carrier, gateways, monkeypatch):
    # A gateway that waits says again that it is there, perhaps to the other bridge: here it says so once.
    monkeypatch.setattr(mqtt, "PRESENCE_AGAIN_S", 2 * PATIENCE_S)
    await until(lambda: len(bridges) == 1, PATIENCE_S)  # which of two that connect at once is first is chance
    async with AsyncExitStack() as lines, carrier.serving_too() as second:
        await until(lambda: len(bridges) == 2, PATIENCE_S)
        talks = []
        for gateway in gateways:
            talk = await lines.enter_async_context(carrier.talk(gateway))
            talks.append(await talk.greet())
        assert sum(shares(bridges)) == GATEWAYS
        assert min(shares(bridges)) >= GATEWAYS // 4
        second.set()
        lost = [talk for talk in talks if talk.gateway.id in bridges[1]._links]
        ended = [await talk.ended() for talk in lost]
        assert {end["type"] for end in ended} == {"closed"}
        for talk in lost:
            again = await lines.enter_async_context(carrier.talk(talk.gateway))
            await again.greet()
        assert shares(bridges) == [GATEWAYS, 0]


async def test_gateway_that_was_there_first_is_heard_when_a_bridge_comes(bridges, carrier, gateways):
    await carrier.stop_server()
    async with carrier.talk(gateways[0]) as talk:
        hearing = asyncio.ensure_future(talk.hear())
        await asyncio.sleep(0.2)
        assert not hearing.done()
        await carrier.start_server()
        assert (await hearing)["type"] == "challenge"
