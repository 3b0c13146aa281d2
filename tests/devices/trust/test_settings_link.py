"""A wish for a device reaches its gateway: the connection ends within a second, and the next welcome brings it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from channels.db import database_sync_to_async

from devices.models import Device, EdgeFact
from devices.protocol.facts import Fact, FactKind
from devices.protocol.settings import DeviceSettings, GatewaySettings, detach
from devices.selectors.settings import standing_of
from devices.services.facts import Arrived, ToldFact, keep_facts
from devices.services.links import CLOSE_NEW_SETTINGS
from devices.services.registry import register_device, register_gateway
from devices.services.settings import configure_device
from tests.devices.pairing.paired import PairedGateway

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def toy(transactional_db, ward):
    return PairedGateway.of(register_gateway(name="North", ward=ward))


@pytest.fixture
def device(toy, patient):
    from devices.models import Gateway

    made, _key = register_device(
        serial="MON-1", kind="vital_signs_monitor", label="M", gateway=Gateway.objects.get(pk=toy.id), patient=patient
    )
    return made


async def wishes(toy: PairedGateway) -> GatewaySettings | None:
    """Connect, and return what the welcome wishes."""
    challenge = await toy.open()
    greeting = toy.greeting()
    await toy.say(greeting.hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software="toy"))
    welcome = await toy.hear_welcome()
    return detach(welcome, greeting.check(welcome, now=time.time()).secret)


async def test_a_wish_ends_the_connection_and_comes_with_the_next_welcome(toy, device) -> None:
    assert await wishes(toy) is None
    await database_sync_to_async(configure_device)(device=device, wanted=DeviceSettings(5.0))
    assert await toy.closed() == CLOSE_NEW_SETTINGS
    assert await wishes(toy) == GatewaySettings(1, {device.pk: DeviceSettings(5.0)})
    await database_sync_to_async(configure_device)(device=device, wanted=DeviceSettings())
    assert await toy.closed() == CLOSE_NEW_SETTINGS
    assert await wishes(toy) == GatewaySettings(2, {device.pk: DeviceSettings()})
    await toy.socket.disconnect()


def tell(device: Device, seq: int, number: float, *, at: float, received_at: float) -> None:
    """Have the gateway say that it follows. at: by its own clock; received_at: by ours; s since the Unix epoch."""
    told = Fact(device.pk, at, FactKind.SET, "settings", 0, "w", "d", False, {"number": number})
    keep_facts([Arrived(ToldFact(seq, told), b"frame", b"s" * 32, device.gateway_id, 0)], received_at)


def is_taken(device: Device) -> bool:
    standing = standing_of(device)
    assert standing is not None
    return standing.taken_at is not None


def test_what_a_gateway_tells_counts_for_the_wish_that_it_follows(device) -> None:
    now = time.time()
    assert standing_of(device) is None
    configure_device(device=device, wanted=DeviceSettings(5.0))
    assert not is_taken(device)
    tell(device, 1, 1.0, at=now, received_at=now)
    assert is_taken(device)
    configure_device(device=device, wanted=DeviceSettings(2.0))
    assert not is_taken(device)
    tell(device, 2, 2.0, at=now + 1, received_at=now + 1)
    assert is_taken(device)
    assert EdgeFact.objects.filter(kind=FactKind.SET).count() == 2


def test_a_gateway_whose_clock_was_set_back_is_believed_by_when_it_was_heard(device) -> None:
    now = time.time()
    for number in (1, 2):
        configure_device(device=device, wanted=DeviceSettings(float(number)))
    tell(device, 1, 1.0, at=now, received_at=now - 20)
    tell(device, 2, 2.0, at=now - 3600, received_at=now - 10)  # an hour earlier by its clock, and said later
    assert is_taken(device)
    standing = standing_of(device)
    assert standing is not None
    assert standing.taken_at == datetime.fromtimestamp(now - 10, tz=UTC)


def test_of_what_came_in_one_batch_the_last_counts(device) -> None:
    now = time.time()
    for number in (1, 2):
        configure_device(device=device, wanted=DeviceSettings(float(number)))
    tell(device, 1, 1.0, at=now, received_at=now)
    tell(device, 2, 2.0, at=now, received_at=now)
    assert is_taken(device)
