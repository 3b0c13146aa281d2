"""A room full of emulated devices and one gateway in it, on bumble's virtual link."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from bumble.device import Device

from devices.bluetooth.air import Air
from devices.bluetooth.central.gateway import Central, Wanted
from devices.bluetooth.central.inbox import Inbox, Marks
from devices.bluetooth.keys import PrivateKeyStore
from devices.bluetooth.peripheral.device import EmulatedPeripheral, Identity
from devices.emulator.plant import Block, Sample
from devices.kinds.registry import KINDS, by_key

GATEWAY = "C0:00:00:00:FF:FF"
NOON = 1_700_000_040.0  # a whole minute


def address(device_id: int) -> str:
    return f"C0:00:00:00:00:{device_id:02X}"


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait until something is true; the limit only ends a test that would never end."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


class Room:
    """Devices, a gateway, and what the gateway's queue has taken so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.air = Air()
        self.now = NOON
        self.marks: Marks = {}
        self.taken: list[Sample | Block] = []
        self.wanted: list[Wanted] = []
        self.devices: dict[int, EmulatedPeripheral] = {}
        self.inbox = Inbox({})
        self.central: Central | None = None
        self.host: Device | None = None
        self._running: asyncio.Task[None] | None = None

    async def add(self, device_id: int, kind: str, *, passkey: int | None = None, entered: int | None = None,
                  serial: str = "", named: str = "") -> EmulatedPeripheral:  # fmt: skip
        """Switch a device on. entered: the passkey that the gateway was given, the device's own unless told."""
        name = f"{kind}-{device_id}"
        keys = PrivateKeyStore(address(device_id), self.folder / "devices.json")
        device = EmulatedPeripheral(
            self.air.device(name, address(device_id), keys),
            Identity(device_id, KINDS[kind], f"EMU-{device_id}", passkey),
        )
        await device.start()
        self.devices[device_id] = device
        passkey = passkey if entered is None else entered
        self.wanted.append(Wanted(device_id, KINDS[kind], address(device_id), passkey, named, serial))
        return device

    def start(self) -> None:
        """Switch the gateway on, with what its queue knows."""
        self.inbox = Inbox(self.marks)
        keys = PrivateKeyStore(GATEWAY, self.folder / "bonds.json")
        self.host = self.air.device("gateway", GATEWAY, keys)
        self.central = Central(self.host, self.wanted, self.inbox, now=lambda: self.now, backoff_first_s=0.02)
        self._running = asyncio.get_running_loop().create_task(self.central.run())

    async def stop(self) -> None:
        """Switch the gateway off; what it did not store is gone."""
        if self._running is not None and self.host is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self.air.leave(self.host)
            self._running = None

    def store(self) -> None:
        """Do as the collector does: take what waits, and its marks, together."""
        measured, marks = self.inbox.drain()
        self.taken += measured
        self.marks.update(marks)

    def values(self, key: str) -> list[tuple[float, float]]:
        """Return (time, value) of one measurement, in the order in which it was taken."""
        self.store()
        code = by_key(key).code
        return [(one.t, one.value) for one in self.taken if isinstance(one, Sample) and one.metric_code == code]

    def noted(self, code: str) -> int:
        """Return how often something was noted, of any device."""
        assert self.central is not None
        return sum(count for (_device, event), count in self.central.notes.counts.items() if event == code)

    async def listening(self, times: int = 1) -> None:
        """Wait until conversations came as far as listening, that many times in all."""
        await until(lambda: self.noted("ble_listening") >= times)

    def measure(self, device_id: int, key: str, t: float, value: float) -> None:
        """Let a device measure."""
        self.devices[device_id].measured(Sample(device_id, by_key(key).code, t, value))


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with room_in(tmp_path) as found:
        yield found


@contextlib.asynccontextmanager
async def room_in(folder: Path) -> AsyncIterator[Room]:
    """Yield a room, and make sure that nothing goes on in it afterwards."""
    found = Room(folder)
    before = asyncio.all_tasks()
    yield found
    await found.stop()
    for device in found.devices.values():
        await device.stop()
        found.air.leave(device.device)
    ours = asyncio.current_task()
    with contextlib.suppress(TimeoutError):
        await until(lambda: not asyncio.all_tasks() - before - {ours})
    assert asyncio.all_tasks() - before - {ours} == set()
