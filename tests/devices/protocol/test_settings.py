"""What a server wishes of devices travels with the welcome, and is believed only from whoever began the epoch."""

from __future__ import annotations

from typing import cast

import msgspec
import pytest

from devices.errors import FrameMalformed
from devices.protocol.hello import MutualWelcome
from devices.protocol.settings import MOST_EVERY_S, DeviceSettings, GatewaySettings, attach, detach

SECRET, OTHER = b"s" * 32, b"o" * 32
PLAIN = cast(MutualWelcome, {"type": "welcome", "version": 2})
WANTED = GatewaySettings(3, {7: DeviceSettings(5.0, deflate=True), 8: DeviceSettings()})


def test_what_is_wished_arrives_as_it_was_sent() -> None:
    sent = msgspec.json.encode(attach(PLAIN, WANTED, SECRET))
    heard = cast(MutualWelcome, msgspec.json.decode(sent))
    for name in ("settings", "settings_proof"):  # as the message's type reads them
        heard[name] = msgspec.json.decode(msgspec.json.encode(heard[name]), type=bytes)  # type: ignore[literal-required]
    assert detach(heard, SECRET) == WANTED


def test_a_welcome_without_wishes_wishes_nothing() -> None:
    assert detach(PLAIN, SECRET) is None


def test_a_wish_of_another_epoch_and_one_without_proof_are_refused() -> None:
    sent = attach(PLAIN, WANTED, OTHER)
    with pytest.raises(FrameMalformed):
        detach(sent, SECRET)
    del sent["settings_proof"]
    with pytest.raises(FrameMalformed):
        detach(sent, OTHER)


def test_no_bit_of_a_wish_can_be_changed() -> None:
    sent = attach(PLAIN, WANTED, SECRET)
    for position in range(len(sent["settings"])):
        raw = bytearray(sent["settings"])
        raw[position] ^= 1
        with pytest.raises(FrameMalformed):
            detach({**sent, "settings": bytes(raw)}, SECRET)


@pytest.mark.parametrize("every_s", [-1.0, MOST_EVERY_S + 0.1])
def test_a_gateway_takes_no_wish_that_would_make_values_stale(every_s: float) -> None:
    sent = attach(PLAIN, GatewaySettings(1, {7: DeviceSettings(every_s)}), SECRET)
    with pytest.raises(FrameMalformed):
        detach(sent, SECRET)
