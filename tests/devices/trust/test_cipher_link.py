"""Another cipher for a device: wished, begun by both ends with a new epoch, and never taken before or after."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from channels.db import database_sync_to_async

from compliance.models import Event
from devices.models import Device
from devices.protocol.epochs import frame_key
from devices.protocol.settings import DeviceSettings, detach
from devices.protocol.suites import Suite
from devices.selectors.settings import cipher_standing
from devices.services.links import CLOSE_NEW_SETTINGS
from devices.services.settings import SettingsRefused, configure_device
from tests.devices.ingest.cast import ToyDevice

pytestmark = pytest.mark.django_db(transaction=True)
NEW, OLD = "medtwin-gateway/2", "medtwin-gateway/1"


async def connect(gateway, software: str = NEW) -> DeviceSettings | None:
    """Connect with this software, and return what the welcome wishes of the one device."""
    challenge = await gateway.open()
    greeting = gateway.greeting()
    await gateway.say(greeting.hello(bytes.fromhex(challenge["nonce"]), now=time.time(), software=software))
    welcome = await gateway.hear_welcome()
    gateway.epoch = greeting.check(welcome, now=time.time())
    wished = detach(welcome, gateway.epoch.secret)
    return None if wished is None else next(iter(wished.devices.values()))


def sealing(gateway, monitor: Device, suite: Suite, seq: int) -> ToyDevice:
    key = frame_key(gateway.epoch.secret, monitor.pk, suite, None)
    return replace(gateway.device(monitor.pk), key=key, suite=suite, seq=seq)


async def send(gateway, monitor: Device, suite: Suite, seq: int) -> str:
    """Send a reading under a cipher; return what became of it."""
    answer = await gateway.send(sealing(gateway, monitor, suite, seq).frame(("heart_rate", time.time() - 1, 70.0)))
    return str(answer.get("code", answer["type"]))


def wish(monitor: Device, suite: Suite) -> None:
    configure_device(device=monitor, wanted=DeviceSettings(suite=suite.facts.name))


def standing(monitor: Device):
    return cipher_standing(Device.objects.select_related("gateway").get(pk=monitor.pk))


async def test_a_cipher_begins_with_the_next_epoch_and_the_former_is_refused_then(gateway, monitor) -> None:
    assert await connect(gateway) is None
    assert await send(gateway, monitor, Suite.ASCON_AEAD128, 10) == "ack"
    await database_sync_to_async(wish)(monitor, Suite.AES_128_GCM)
    assert (await database_sync_to_async(standing)(monitor)).wished == "AES-128-GCM"
    assert await gateway.closed() == CLOSE_NEW_SETTINGS
    wished = await connect(gateway)
    assert wished is not None
    assert wished.suite == "aes-128-gcm"
    assert await send(gateway, monitor, Suite.AES_128_GCM, 20) == "ack"
    assert await send(gateway, monitor, Suite.ASCON_AEAD128, 30) == "frame_cipher_refused"
    found = await database_sync_to_async(standing)(monitor)
    assert (found.runs, found.wished) == ("AES-128-GCM", None)
    event = await database_sync_to_async(Event.objects.get)(code="device_cipher_chosen")
    assert (event.detail["before"], event.detail["after"]) == ("ascon-aead128", "aes-128-gcm")
    await database_sync_to_async(wish)(monitor, Suite.ASCON_AEAD128)
    assert await gateway.closed() == CLOSE_NEW_SETTINGS
    await connect(gateway)
    assert await send(gateway, monitor, Suite.ASCON_AEAD128, 40) == "ack"
    await gateway.socket.disconnect()


async def test_an_older_gateway_goes_on_with_its_cipher_and_the_page_says_why(gateway, monitor) -> None:
    await database_sync_to_async(wish)(monitor, Suite.AES_128_GCM)
    wished = await connect(gateway, OLD)
    assert wished is not None
    assert wished.suite == "ascon-aead128"  # what the server goes on taking
    assert await send(gateway, monitor, Suite.ASCON_AEAD128, 10) == "ack"
    found = await database_sync_to_async(standing)(monitor)
    assert (found.runs, found.wished) == ("Ascon-AEAD128", "AES-128-GCM")
    assert "medtwin-gateway/1" in found.why
    await gateway.socket.disconnect()


def test_a_cipher_for_measurement_is_refused_unless_the_house_allows_it(gateway, monitor, settings) -> None:
    settings.MEASUREMENT_CIPHERS = False
    with pytest.raises(SettingsRefused, match="MEDTWIN_MEASUREMENT_CIPHERS"):
        wish(monitor, Suite.PHOTON_BEETLE)
    with pytest.raises(SettingsRefused, match="There is no cipher rot13"):
        configure_device(device=monitor, wanted=DeviceSettings(suite="rot13"))


async def test_a_cipher_that_the_house_forbids_meanwhile_does_not_begin(gateway, monitor, settings) -> None:
    settings.MEASUREMENT_CIPHERS = True
    await database_sync_to_async(wish)(monitor, Suite.PHOTON_BEETLE)
    settings.MEASUREMENT_CIPHERS = False
    wished = await connect(gateway)
    assert wished is not None
    assert wished.suite == "ascon-aead128"
    assert await send(gateway, monitor, Suite.ASCON_AEAD128, 10) == "ack"
    await gateway.socket.disconnect()
