"""The host above a controller, and how it pairs: the same on the gateway's side and on an emulated device's."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from bumble.device import Device, DeviceConfiguration
from bumble.hci import Address
from bumble.host import Host
from bumble.keys import KeyStore
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import TransportSink, TransportSource

MTU = 517  # the largest that an attribute value ever needs


def host(name: str, address: str, source: TransportSource, sink: TransportSink, keys: KeyStore | None) -> Device:
    """Return a host over a controller. address: a static random one, the highest byte first, "C0" to "FF"."""
    config = DeviceConfiguration(
        name=name,
        address=Address(address, Address.RANDOM_DEVICE_ADDRESS),
        irk=secrets.token_bytes(16),
        # Two classic parts of the configuration that cost memory and time and that nobody here uses.
        classic_enabled=False,
        classic_smp_enabled=False,
    )
    device = Device(config=config, host=Host(source, sink))
    device.keystore = keys
    device.gatt_server.max_mtu = MTU
    return device


def secure_pairing(passkey: int | None, *, shows: bool) -> Callable[[object], PairingConfig]:
    """Return how a side pairs: LE Secure Connections, bonded, with a passkey when there is one.

    shows: whether this side displays the passkey (a peripheral) or has it entered (the gateway, from its
    configuration). Only encryption keys are exchanged: static addresses need no resolving.
    """

    class Delegate(PairingDelegate):
        async def generate_passkey(self) -> int:
            return passkey or 0

        async def get_number(self) -> int | None:
            return passkey

    capability = PairingDelegate.IoCapability.NO_OUTPUT_NO_INPUT
    if passkey is not None:
        display, keyboard = PairingDelegate.DISPLAY_OUTPUT_ONLY, PairingDelegate.KEYBOARD_INPUT_ONLY
        capability = display if shows else keyboard
    only_encryption = PairingDelegate.KeyDistribution.DISTRIBUTE_ENCRYPTION_KEY
    delegate = Delegate(capability, only_encryption, only_encryption)
    return lambda _connection: PairingConfig(sc=True, mitm=passkey is not None, bonding=True, delegate=delegate)
