"""One connection from the bond to its end: prove that it is our device, bond, discover, catch up, listen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bumble.device import Connection
from bumble.gatt_client import ServiceProxy

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
from devices.bluetooth.errors import (
    BondRefused,
    LinkLost,
    MessageMalformed,
    OverAirRefused,
    PeripheralForeign,
    ProcedureFailed,
)
from devices.bluetooth.host import MTU
from devices.bluetooth.uuids import FIRMWARE, MANUFACTURER, MODEL, SERIAL, uuid
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
RSSI_EVERY_S = 30.0
ABOUT = {"firmware": FIRMWARE, "serial": SERIAL, "model": MODEL, "maker": MANUFACTURER}
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
            tasks.create_task(_introduce(talk))
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
    information = await _information(talk)
    if information is None:
        raise PeripheralForeign("it has no serial number")
    if await _said(information, SERIAL) != serial:
        raise PeripheralForeign("another serial number than the configuration's")


async def _introduce(talk: Talk) -> None:
    """Read what the device says of itself; it may have got other firmware since it was connected last.

    Readings come first, and what is missing or no text is passed over: no device has to say anything here.
    """
    try:
        information = await _information(talk)
    except ProcedureFailed:
        return
    about: dict[str, str] = {}
    if information is None:
        return
    for name, number in ABOUT.items():
        try:
            if text := await _said(information, number):
                about[name] = text
        except (ProcedureFailed, MessageMalformed) as error:
            talk.notes.refused(talk.device_id, error)
    talk.health.about = about


async def _information(talk: Talk) -> ServiceProxy | None:
    """Return the Device Information Service. Raises ProcedureFailed or LinkLost."""
    found = talk.connection.gatt_client.get_services_by_uuid(uuid(gatt.DEVICE_INFORMATION))
    if not found:
        return None
    if not found[0].characteristics:
        await over_air("discovery", found[0].discover_characteristics())
    return found[0]


async def _said(information: ServiceProxy, number: int) -> str:
    """Return a text of the service, empty where it has none. Raises ProcedureFailed, LinkLost or MessageMalformed."""
    named = information.get_characteristics_by_uuid(uuid(number))
    return decode_text(bytes(await over_air(f"read {number:04x}", named[0].read_value()))) if named else ""


async def _watch_signal(talk: Talk) -> None:
    while True:
        try:
            asked = talk.connection.get_rssi()  # type: ignore[no-untyped-call]
            talk.health.heard(int(await over_air("signal", asked)))
        except ProcedureFailed:
            return  # this controller does not tell; what was advertised stays
        await asyncio.sleep(RSSI_EVERY_S)
