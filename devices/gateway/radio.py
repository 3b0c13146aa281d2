"""The gateway's radio: one line of its configuration. Nothing of Bluetooth is imported where there is none."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Protocol

from devices.emulator.plant import Plant
from devices.gateway.config import ConfigRefused, GatewayConfig
from devices.gateway.queue import DiskQueue
from devices.kinds.registry import KINDS


class Heard(Protocol):
    """How the gateway stands with a device in the air. rssi: dBm. battery: %. None where it never said.

    connections, refused, wrong_crc: how often it was connected, and messages that were not believed, since the radio
    was opened. about: what it says of itself.
    """

    connected: bool
    bonded: bool
    rssi: int | None
    battery: int | None
    connections: int
    refused: int
    wrong_crc: int
    about: Mapping[str, str]

    def take_signals(self) -> list[int]:
        """Return and forget how strongly it was heard since the last time, dBm."""
        ...


class AirwavePlant(Plant, Protocol):
    """A plant that has to listen while the gateway runs."""

    def health(self) -> Mapping[int, Heard]:
        """Return device id -> how it is heard."""
        ...

    def take_marks(self) -> Mapping[tuple[int, str], int]:
        """Return how far the streams were taken by what `advance` returned last."""
        ...

    def run(self) -> Coroutine[Any, Any, None]:
        """Listen until cancelled."""
        ...


def tune_in(config: GatewayConfig, inner: Plant, queue: DiskQueue, now: Callable[[], float]) -> AirwavePlant | None:
    """Return the plant of the devices that have a Bluetooth address; None without any. Raises ConfigRefused."""
    with_address = [device for device in config.devices if device.address]
    if not config.has_radio:
        if with_address:
            raise ConfigRefused(f"device {with_address[0].device_id} has an address, but `radio` names no radio")
        return None
    try:
        from devices.bluetooth.central.gateway import Wanted
        from devices.bluetooth.central.inbox import Inbox
        from devices.bluetooth.plant import AirPlant
    except ImportError as error:
        raise ConfigRefused(f"the radio {config.radio} needs the extra `bluetooth`: {error}") from error
    wanted = []
    for device in with_address:
        kind = KINDS.get(device.kind)
        if kind is None or not kind.services:
            raise ConfigRefused(f"device {device.device_id}: a {device.kind} speaks no Bluetooth")
        wanted.append(Wanted(device.device_id, kind, device.address, device.passkey, device.name, device.serial))
    inbox = Inbox(queue.marks())
    return AirPlant(config.radio, config.gateway_id, wanted, Path(config.folder), inner, inbox, now)
