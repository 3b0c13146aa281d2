"""What a server wishes of devices travels with the welcome, and is believed only from whoever began the epoch."""

from __future__ import annotations

from typing import cast

import msgspec
import pytest

from devices.errors import FrameMalformed
from devices.protocol.epochs import settings_proof
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


def wish(settings: bytes) -> MutualWelcome:
    """Return a welcome with a wish of another server's making, proven as ours are."""
    return {**PLAIN, "settings": settings, "settings_proof": settings_proof(SECRET, settings)}


@pytest.mark.parametrize("every_s", [-1.0, MOST_EVERY_S + 0.1])
def test_a_gateway_takes_no_wish_that_would_make_values_stale(every_s: float) -> None:
    taken = detach(attach(PLAIN, GatewaySettings(1, {7: DeviceSettings(every_s, deflate=True)}), SECRET), SECRET)
    assert taken == GatewaySettings(1, {7: DeviceSettings(deflate=True)}, {7: ["every_s: out of its bounds"]})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b'"colour": "red"', "colour: no such setting here"),
        (b'"suite": "rot13"', "suite: no cipher rot13 here"),
        (b'"suite": 3', "suite: out of its bounds"),
        (b'"deflate": "maybe"', "deflate: out of its bounds"),
        (b'"rules": {"low_battery": {"below_percent": "much"}}', "rules: out of its bounds"),
    ],
)
def test_what_is_unknown_or_wrong_is_named_and_the_rest_is_taken(said: bytes, words: str) -> None:
    taken = detach(wish(b'{"number": 4, "devices": {"7": {"every_s": 2.0, ' + said + b"}}}"), SECRET)
    assert taken is not None
    assert (taken.number, taken.devices, taken.refused) == (4, {7: DeviceSettings(2.0)}, {7: [words]})


def test_a_wish_with_rules_and_a_cipher_arrives_as_it_was_sent() -> None:
    rules: dict[str, dict[str, float | bool]] = {"low_battery": {"on": True, "below_percent": 30.0}}
    wanted = GatewaySettings(5, {7: DeviceSettings(suite="aes-128-gcm", rules=rules), 8: DeviceSettings(rules={})})
    assert detach(attach(PLAIN, wanted, SECRET), SECRET) == wanted


class Older(msgspec.Struct):
    """What a gateway of before knows of a device's settings."""

    every_s: float = 0.0
    deflate: bool = False


class OlderWish(msgspec.Struct):
    """And of a wish."""

    number: int = 0
    devices: dict[int, Older] = {}


def test_an_older_gateway_reads_of_a_newer_wish_what_it_knows() -> None:
    wanted = GatewaySettings(5, {7: DeviceSettings(2.0, suite="aes-128-gcm", rules={})})
    read = msgspec.json.decode(attach(PLAIN, wanted, SECRET)["settings"], type=OlderWish)
    assert (read.number, read.devices[7].every_s) == (5, 2.0)
