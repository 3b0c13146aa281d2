"""One connection from the bond to its end: prove that it is our device, bond, discover, catch up, listen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bumble.device import Connection

from devices.bluetooth.central.awaiting import over_air
from devices.bluetooth.central.glucose import GlucoseListener
from devices.bluetooth.central.insulin import InsulinListener
from devices.bluetooth.central.log import LogListener
from devices.bluetooth.central.talk import Talk
from devices.bluetooth.central.vitals import (
    BatteryListener,
    CuffListener,
    HeartRateListener,
    Listener,
    OximeterListener,
    ThermometerListener,
)
from devices.bluetooth.codec.device import decode_text
from devices.bluetooth.errors import BondRefused, LinkLost, OverAirRefused, PeripheralForeign, ProcedureFailed
from devices.bluetooth.host import MTU
from devices.bluetooth.uuids import SERIAL, uuid
from devices.kinds import gatt

LISTENERS: Mapping[int, type[Listener]] = {
    gatt.HEART_RATE: HeartRateListener,
    gatt.PULSE_OXIMETER: OximeterListener,
    gatt.THERMOMETER: ThermometerListener,
    gatt.BLOOD_PRESSURE: CuffListener,
    gatt.GLUCOSE_MONITORING: GlucoseListener,
    gatt.INSULIN_DELIVERY: InsulinListener,
    gatt.BATTERY_SERVICE: BatteryListener,
    gatt.MEASUREMENT_LOG: LogListener,
}
RSSI_EVERY_S = 60.0
BOND_WITHIN_S = 60.0  # a person may have to confirm it on the device


async def converse(talk: Talk, *, serial: str = "") -> None:
    """Listen until the link is lost. Raises OverAirRefused: LinkLost in the ordinary case.

    serial: what the device must say that its serial number is; empty when nobody knows it.
    """
    lost: asyncio.Future[OverAirRefused] = asyncio.get_running_loop().create_future()

    def gone(reason: int) -> None:
        if not lost.done():
            lost.set_result(LinkLost(f"disconnected, reason {reason:#04x}"))

    talk.connection.on(Connection.EVENT_DISCONNECTION, gone)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_end(lost))
            tasks.create_task(_end(talk.broken))
            await _secure(talk)
            await over_air("MTU", talk.connection.gatt_client.request_mtu(MTU))
            await talk.discover()
            await _recognise(talk, serial)
            listeners = [LISTENERS[described.number](talk) for described in talk.kind.services]
            for listener in listeners:
                await listener.begin()
            talk.notes.say("ble_listening", talk.device_id)
            for listener in listeners:
                tasks.create_task(listener.attend())
            tasks.create_task(_watch_signal(talk))
    finally:
        talk.connection.remove_listener(Connection.EVENT_DISCONNECTION, gone)


async def _end(reason: asyncio.Future[OverAirRefused]) -> None:
    raise await reason


async def _secure(talk: Talk) -> None:
    """Encrypt with the bond's key, or bond. Raises BondRefused.

    A device that lost its key is not bonded again by itself: whoever took its address could then pose as it.
    """
    connection = talk.connection
    store = connection.device.keystore
    address = str(connection.peer_address)
    keys = None if store is None else await store.get(address)
    try:
        if keys is not None:
            await over_air("encryption", connection.encrypt())
        else:
            await over_air("pairing", connection.pair(), within_s=BOND_WITHIN_S)
            keys = None if store is None else await store.get(address)
            talk.notes.say("ble_bonded", talk.device_id, address=address)
    except ProcedureFailed as error:
        raise BondRefused(f"no encrypted link with {address}: {error}") from error
    if store is not None and (keys is None or keys.ltk is None):
        if keys is not None:
            await store.delete(address)
        raise BondRefused(f"{address} does not pair with LE Secure Connections")
    talk.health.bonded = True


async def _recognise(talk: Talk, serial: str) -> None:
    """Make sure that this is the device we know. Raises PeripheralForeign."""
    missing = [described.number for described in talk.kind.services if not talk.offers(described.number)]
    if missing:
        raise PeripheralForeign(f"it lacks services of a {talk.kind.name}: {', '.join(f'{n:04x}' for n in missing)}")
    if not serial:
        return
    client = talk.connection.gatt_client
    found = client.get_services_by_uuid(uuid(gatt.DEVICE_INFORMATION))
    if not found:
        raise PeripheralForeign("it has no serial number")
    await over_air("discovery", found[0].discover_characteristics())
    named = found[0].get_characteristics_by_uuid(uuid(SERIAL))
    if not named or decode_text(bytes(await over_air("serial", named[0].read_value()))) != serial:
        raise PeripheralForeign("another serial number than the configuration's")


async def _watch_signal(talk: Talk) -> None:
    while True:
        try:
            asked = talk.connection.get_rssi()  # type: ignore[no-untyped-call]
            talk.health.rssi = int(await over_air("signal", asked))
        except ProcedureFailed:
            return  # this controller does not tell; what was advertised stays
        await asyncio.sleep(RSSI_EVERY_S)
