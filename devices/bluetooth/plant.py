"""Devices over the air as a plant: the collector asks it like any other, and gets what the central has heard.

With the virtual radio the readings of an inner plant leave through emulated peripherals and come back over the air;
what has no Bluetooth address stays on the in-process link, which costs next to nothing and serves large emulations.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bumble.core import BaseBumbleError
from bumble.device import Device
from bumble.transport import open_transport

from devices.bluetooth.central.gateway import Central, Wanted
from devices.bluetooth.central.inbox import Inbox, Marks
from devices.bluetooth.central.talk import Clock, Health
from devices.bluetooth.errors import OverAirRefused, RadioUnusable
from devices.bluetooth.host import host
from devices.bluetooth.keys import PrivateKeyStore
from devices.emulator.plant import Block, Plant, Sample

if TYPE_CHECKING:
    from devices.bluetooth.air import Air
    from devices.bluetooth.peripheral.device import EmulatedPeripheral

log = logging.getLogger(__name__)

VIRTUAL = "virtual"
BONDS, EMULATED_BONDS = "bonds.json", "emulated-bonds.json"
REOPEN_FIRST_S, REOPEN_MOST_S = 1.0, 60.0
LIVE_WITHIN_S = 10.0  # older readings are the past that a plant brings along


class AirPlant:
    """What one gateway hears, and its way to the collector.

    radio: "virtual", or the name of an HCI transport as bumble has them: "usb:0", "hci-socket:0", "serial:/dev/ttyS1".
    """

    def __init__(
        self,
        radio: str,
        gateway_id: int,
        wanted: Sequence[Wanted],
        folder: Path,
        inner: Plant,
        inbox: Inbox,
        now: Clock,
    ) -> None:
        self._radio, self._folder, self._inner, self._inbox, self._now = radio, folder, inner, inbox, now
        # A static random address of our own, the same at every start: bonds are kept under it.
        self._address = "C1:4D:" + ":".join(f"{byte:02X}" for byte in gateway_id.to_bytes(4, "big"))
        self._wanted = {one.device_id: one for one in wanted}
        self._marks: Marks = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._emulated: dict[int, EmulatedPeripheral] = {}
        self._early: list[Sample | Block] = []
        self.central: Central | None = None
        self.air: Air | None = None
        self._asked = threading.Event()

    def advance(self, t: float) -> Iterable[Sample | Block]:
        """Return what was heard, and what the inner plant says of devices without an address. Called in a thread."""
        measured = list(self._inner.advance(t))
        aired = [one for one in measured if one.device_id in self._wanted]
        if self._radio == VIRTUAL and self._loop is None:
            self._early.extend(aired)  # asked before we listen
        elif aired and self._radio == VIRTUAL and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop ends while we do
                self._loop.call_soon_threadsafe(self._measured, aired)
        self._asked.set()
        heard, self._marks = self._inbox.drain()
        return [*(one for one in measured if one.device_id not in self._wanted), *heard]

    def take_marks(self) -> Marks:
        """Return how far the streams were taken by what `advance` returned last."""
        marks, self._marks = self._marks, {}
        return marks

    def health(self) -> dict[int, Health]:
        """Return device id -> how it is heard; nothing before the radio is open."""
        return dict(self.central.health) if self.central is not None else {}

    def _measured(self, measured: Sequence[Sample | Block]) -> None:
        if not self._emulated:
            self._early.extend(measured)
            return
        now = self._now()
        for one in measured:
            live = isinstance(one, Block) or one.t > now - LIVE_WITHIN_S
            self._emulated[one.device_id].measured(one, live=live)

    async def run(self) -> None:
        """Listen until cancelled. A radio that fails is opened again: the queue is sent on meanwhile."""
        self._loop = asyncio.get_running_loop()
        if self._radio == VIRTUAL:
            await self._run_virtual()
        delay_s = REOPEN_FIRST_S
        while True:
            try:
                await self._run_radio()
            except RadioUnusable as error:
                log.error("event=%s radio=%s reason=%r", error.code, self._radio, error.message)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, REOPEN_MOST_S)

    def _keys(self) -> PrivateKeyStore:
        return PrivateKeyStore(self._address, self._folder / BONDS)

    async def _listen(self, device: Device) -> None:
        self.central = Central(device, self._wanted.values(), self._inbox, now=self._now)
        await self.central.run()

    async def _run_virtual(self) -> None:
        # The other side of the air: a gateway with a radio has no use for it, and 2 MB less to hold.
        from devices.bluetooth.air import Air
        from devices.bluetooth.peripheral.device import EmulatedPeripheral, Identity

        self.air = air = Air()
        emulated = {}
        try:
            for device_id, one in self._wanted.items():
                keys = PrivateKeyStore(one.address, self._folder / EMULATED_BONDS)
                identity = Identity(device_id, one.kind, one.serial, one.passkey)
                emulated[device_id] = EmulatedPeripheral(air.device(identity.name, one.address, keys), identity)
                await emulated[device_id].start()
            # A plant begins with its past. It is on board before anybody listens, as with a real device.
            while not self._asked.is_set():
                await asyncio.sleep(0.05)
            self._emulated, early, self._early = emulated, self._early, []
            self._measured(early)
            await self._listen(air.device("gateway", self._address, self._keys()))
        finally:
            for peripheral in emulated.values():
                await peripheral.stop()

    async def _run_radio(self) -> None:
        try:
            transport = await open_transport(self._radio)
        except (OSError, ValueError, BaseBumbleError, ImportError) as error:
            raise RadioUnusable(f"{self._radio}: {error}") from error
        async with transport:
            device = host("gateway", self._address, transport.source, transport.sink, self._keys())
            running = asyncio.create_task(self._listen(device))
            unplugged = asyncio.ensure_future(cast(Any, transport.source).wait_for_termination())
            try:
                await asyncio.wait([running, unplugged], return_when=asyncio.FIRST_COMPLETED)
            finally:
                unplugged.cancel()
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError, OverAirRefused):
                    await running
            raise RadioUnusable("the radio is gone")
