"""What a server wishes of a paired gateway's devices: it comes with a welcome, proven under the epoch's secret.

A gateway takes it only from whoever has the root key of its pairing, and only for this epoch: an old wish cannot be
played back. One that was lost on its way is brought by the next welcome.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from devices.errors import FrameMalformed
from devices.protocol.epochs import settings_proof
from devices.protocol.hello import MutualWelcome
from devices.protocol.messages import decode_message
from devices.protocol.suites import SUITE_NAMES

MOST_EVERY_S = 10.0  # a third of the age at which the shortest-lived value is not believed any more


class DeviceSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one device is told of, sealed and watched. Names that a gateway does not know it says that it does not take.

    every_s: at most one value of each measurement in this time, 0 for all of them. suite: the cipher's name; empty: as
    the gateway is configured. rules: by name what is wished of the gateway's rules for it, see
    devices/gateway/edge/wishes.py; None: nothing ever was.
    """

    every_s: Annotated[float, Meta(ge=0.0, le=MOST_EVERY_S)] = 0.0
    deflate: bool = False
    suite: Annotated[str, Meta(max_length=40)] = ""
    rules: Annotated[dict[str, dict[str, float | bool]], Meta(max_length=16)] | None = None


class GatewaySettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that is wished of a gateway's devices. number: rises with each change.

    refused: never sent; what the reader of a wish does not take of it, in sentences by device.
    """

    number: Annotated[int, Meta(ge=0)] = 0
    devices: dict[int, DeviceSettings] = {}
    refused: dict[int, list[str]] = {}


class _Said(msgspec.Struct, frozen=True):
    """What stands on the wire, setting by setting: one that is unknown or out of bounds leaves the others."""

    number: Annotated[int, Meta(ge=0)] = 0
    devices: dict[int, dict[str, msgspec.Raw]] = {}


_TYPES = {one.name: one.type for one in msgspec.structs.fields(DeviceSettings)}


def attach(welcome: MutualWelcome, wanted: GatewaySettings, secret: bytes) -> MutualWelcome:
    """Return the welcome with what is wished. secret: of the epoch that it begins."""
    raw = msgspec.json.encode(wanted)
    return {**welcome, "settings": raw, "settings_proof": settings_proof(secret, raw)}


def detach(welcome: MutualWelcome, secret: bytes) -> GatewaySettings | None:
    """Return what a checked welcome wishes; None when it wishes nothing.

    What is unknown or out of bounds is left out and named in `refused`. Raises FrameMalformed where the proof is wrong,
    or it is no wish at all.
    """
    raw = welcome.get("settings")
    if raw is None:
        return None
    if not hmac.compare_digest(welcome.get("settings_proof", b""), settings_proof(secret, raw)):
        raise FrameMalformed("the settings in the welcome are not from the server")
    said = decode_message(raw, _Said)
    read = {device: _read(one) for device, one in said.devices.items()}
    refused = {device: sentences for device, (_, sentences) in read.items() if sentences}
    return GatewaySettings(said.number, {device: settings for device, (settings, _) in read.items()}, refused)


def _read(said: dict[str, msgspec.Raw]) -> tuple[DeviceSettings, list[str]]:
    taken: dict[str, Any] = {}
    refused = []
    for name, value in said.items():
        if name not in _TYPES:
            refused.append(f"{name[:40]}: no such setting here")
            continue
        try:
            taken[name] = decode_message(bytes(value), _TYPES[name])
        except FrameMalformed:
            refused.append(f"{name}: out of its bounds")
    if (suite := taken.get("suite", "")) and suite not in SUITE_NAMES:
        refused.append(f"suite: no cipher {suite} here")
        del taken["suite"]
    return DeviceSettings(**taken), refused
