"""What a server wishes of a paired gateway's devices: it comes with a welcome, proven under the epoch's secret.

A gateway takes it only from whoever has the root key of its pairing, and only for this epoch: an old wish cannot be
played back. One that was lost on its way is brought by the next welcome.
"""

from __future__ import annotations

import hmac
from typing import Annotated

import msgspec
from msgspec import Meta

from devices.errors import FrameMalformed
from devices.protocol.epochs import settings_proof
from devices.protocol.hello import MutualWelcome
from devices.protocol.messages import decode_message

MOST_EVERY_S = 10.0  # a third of the age at which the shortest-lived value is not believed any more


class DeviceSettings(msgspec.Struct, frozen=True):
    """How one device is told of. every_s: at most one value of each measurement in this time, 0 for all of them."""

    every_s: Annotated[float, Meta(ge=0.0, le=MOST_EVERY_S)] = 0.0
    deflate: bool = False


class GatewaySettings(msgspec.Struct, frozen=True):
    """Everything that is wished of a gateway's devices. number: rises with each change."""

    number: Annotated[int, Meta(ge=0)] = 0
    devices: dict[int, DeviceSettings] = {}


def attach(welcome: MutualWelcome, wanted: GatewaySettings, secret: bytes) -> MutualWelcome:
    """Return the welcome with what is wished. secret: of the epoch that it begins."""
    raw = msgspec.json.encode(wanted)
    return {**welcome, "settings": raw, "settings_proof": settings_proof(secret, raw)}


def detach(welcome: MutualWelcome, secret: bytes) -> GatewaySettings | None:
    """Return what a checked welcome wishes; None when it wishes nothing. Raises FrameMalformed."""
    raw = welcome.get("settings")
    if raw is None:
        return None
    if not hmac.compare_digest(welcome.get("settings_proof", b""), settings_proof(secret, raw)):
        raise FrameMalformed("the settings in the welcome are not from the server")
    return decode_message(raw, GatewaySettings)
