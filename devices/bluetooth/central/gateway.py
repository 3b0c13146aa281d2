"""The central: hears who is there, connects one after the other, talks with each, comes back after a loss."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

from bumble.core import AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Device
from bumble.hci import HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR, Address

from devices.bluetooth.central.awaiting import over_air
from devices.bluetooth.central.conversation import converse
from devices.bluetooth.central.inbox import Inbox
from devices.bluetooth.central.notes import Notes
from devices.bluetooth.central.talk import Clock, Health, Talk
from devices.bluetooth.errors import (
    BondRefused,
    LinkLost,
    OverAirRefused,
    PeripheralFloods,
    PeripheralForeign,
    ProcedureFailed,
)
from devices.bluetooth.host import secure_pairing
from devices.kinds.measurement import DeviceKind

log = logging.getLogger(__name__)

BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 30.0
PENANCE_S = 60.0  # for a device that floods, is not ours, or refuses its bond
CONNECT_WITHIN_S = 10.0
SCAN_INTERVAL_MS, SCAN_WINDOW_MS = 100.0, 50.0  # half of the time: connections need the radio, too
NAMES = (AdvertisingData.COMPLETE_LOCAL_NAME, AdvertisingData.SHORTENED_LOCAL_NAME)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A device of ours. address: as bumble writes it, "C0:11:22:33:44:55", with "/P" behind a public one.

    name: what it advertises, to notice others with the same; serial: what it must say of itself; both may be empty.
    """

    device_id: int
    kind: DeviceKind
    address: str
    passkey: int | None = None
    name: str = ""
    serial: str = ""


class Central:
    """All devices of one gateway. `run` until it is cancelled."""

    def __init__(
        self,
        host: Device,
        wanted: Iterable[Wanted],
        inbox: Inbox,
        *,
        now: Clock = time.time,
        backoff_first_s: float = BACKOFF_FIRST_S,
    ) -> None:
        self._host, self._inbox, self._now = host, inbox, now
        self._backoff_first_s = backoff_first_s
        self._wanted = {Address(one.address): one for one in wanted}
        self._names = {one.name for one in self._wanted.values() if one.name}
        self._found: asyncio.Queue[Address] = asyncio.Queue()
        self._queued: set[Address] = set()
        self._missing = asyncio.Event()
        self._not_before: dict[Address, float] = {}
        self._failures: dict[Address, int] = {}
        self._strangers: set[Address] = set()
        self.notes = Notes()
        self.health = {one.device_id: Health(one.device_id) for one in self._wanted.values()}
        host.pairing_config_factory = lambda connection: secure_pairing(
            self._wanted[connection.peer_address].passkey if connection.peer_address in self._wanted else None,
            shows=False,
        )(connection)
        host.on(Device.EVENT_ADVERTISEMENT, self._heard)

    async def run(self) -> None:
        """Find, connect and listen, until cancelled; then hang up and switch off."""
        await over_air("switch on", self._host.power_on())
        try:
            async with asyncio.TaskGroup() as conversations:
                while True:
                    address = await self._next()
                    try:
                        connected = await self._connect(address)
                    except OverAirRefused as error:
                        self._put_off(address, error)
                        continue
                    conversations.create_task(self._keep(address, connected))
        finally:
            await self._hang_up()

    async def _next(self) -> Address:
        """Scan until a device of ours is heard that may be tried now. No scan while nobody is missing."""
        while all(one.connected for one in self.health.values()):
            self._missing.clear()
            await self._missing.wait()
        if not self._host.is_scanning:
            await over_air(
                "scan",
                self._host.start_scanning(
                    active=False, scan_interval=SCAN_INTERVAL_MS, scan_window=SCAN_WINDOW_MS, filter_duplicates=False
                ),
            )
        address = await self._found.get()
        # Reports that were under way while we connected name devices again that are connected by now.
        while self.health[self._wanted[address].device_id].connected:
            self._queued.discard(address)
            address = await self._found.get()
        await over_air("scan", self._host.stop_scanning())  # not every controller scans and initiates at once
        self._queued.discard(address)
        return address

    def _heard(self, advertisement: Advertisement) -> None:
        address = advertisement.address
        wanted = self._wanted.get(address)
        if wanted is None:
            self._suspect(advertisement)
            return
        health = self.health[wanted.device_id]
        health.heard(advertisement.rssi)
        waiting = address in self._queued or health.connected
        if not waiting and time.monotonic() >= self._not_before.get(address, 0.0):
            self._queued.add(address)
            self._found.put_nowait(address)

    def _suspect(self, advertisement: Advertisement) -> None:
        """Note once who carries the name of one of ours; it is never connected to."""
        raw = next((one for kind in NAMES if isinstance(one := advertisement.data.get(kind), str | bytes)), b"")
        name = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
        if name in self._names and advertisement.address not in self._strangers and len(self._strangers) < 1000:
            self._strangers.add(advertisement.address)
            namesake = next(one for one in self._wanted.values() if one.name == name)
            error = PeripheralForeign(f"{advertisement.address} carries the name of one of ours")
            self.notes.refused(namesake.device_id, error)

    async def _connect(self, address: Address) -> Talk:
        wanted = self._wanted[address]
        connecting = self._host.connect_le(address, timeout=CONNECT_WITHIN_S)
        connection = await over_air("connect", connecting, within_s=2 * CONNECT_WITHIN_S)
        health = self.health[wanted.device_id]
        health.connected = True
        health.connections += 1
        return Talk(connection, health, wanted.kind, self._inbox, self.notes, self._now)

    async def _keep(self, address: Address, talk: Talk) -> None:
        """Converse, and put the device off when that ends. One device's trouble never ends another's conversation."""
        wanted = self._wanted[address]
        started = time.monotonic()
        try:
            await converse(talk, serial=wanted.serial)
        except* (OverAirRefused, BaseBumbleError) as group:
            error = _first(group)
            named = error if isinstance(error, OverAirRefused) else ProcedureFailed(str(error))
            if time.monotonic() - started > BACKOFF_MOST_S or isinstance(named, LinkLost):
                self._failures[address] = 0
            self._put_off(address, named)
        except* Exception as group:  # a mistake of ours about one device must not silence the whole room
            log.exception("event=ble_conversation_failed device=%d", wanted.device_id, exc_info=_first(group))
            self._put_off(address, PeripheralForeign("a conversation that we do not understand"))
        finally:
            await self._disconnect(talk)
            talk.health.connected = False
            self._missing.set()

    def _put_off(self, address: Address, error: OverAirRefused) -> None:
        self.notes.refused(self._wanted[address].device_id, error)
        failures = self._failures[address] = self._failures.get(address, 0) + 1
        most_s = min(BACKOFF_MOST_S, self._backoff_first_s * 2.0 ** min(failures - 1, 10))
        delay_s = random.uniform(most_s / 2, most_s)  # noqa: S311
        if isinstance(error, PeripheralFloods | PeripheralForeign | BondRefused):
            delay_s = PENANCE_S
        self._not_before[address] = time.monotonic() + delay_s

    async def _disconnect(self, talk: Talk) -> None:
        if talk.connection.handle in self._host.connections:
            with contextlib.suppress(OverAirRefused):
                reason = HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR
                await over_air("disconnect", talk.connection.disconnect(reason), within_s=5.0)

    async def _hang_up(self) -> None:
        with contextlib.suppress(OverAirRefused):
            if self._host.is_scanning:
                await over_air("scan", self._host.stop_scanning(), within_s=5.0)
            await over_air("switch off", self._host.power_off(), within_s=5.0)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what ended a conversation: the reason behind a lost link rather than its consequences."""
    found = [_first(one) if isinstance(one, BaseExceptionGroup) else one for one in group.exceptions]
    return next((one for one in found if not isinstance(one, LinkLost)), found[0])
