"""What all parts of an emulated peripheral share: the link to whoever is connected, and the shape of a sensor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from bumble.att import Attribute
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service

from devices.bluetooth.uuids import uuid
from devices.emulator.plant import Block, Sample

READ, WRITE = Characteristic.Properties.READ, Characteristic.Properties.WRITE
NOTIFY, INDICATE = Characteristic.Properties.NOTIFY, Characteristic.Properties.INDICATE
# Measurements leave over an encrypted link only; who a device is can be read before it is bonded.
_SECRET = (
    Attribute.Permissions.READABLE
    | Attribute.Permissions.WRITEABLE
    | Attribute.Permissions.READ_REQUIRES_ENCRYPTION
    | Attribute.Permissions.WRITE_REQUIRES_ENCRYPTION
)
Value = Callable[[], bytes]


def characteristic(
    number: int,
    properties: Characteristic.Properties,
    *,
    read: Value | bytes | None = None,
    write: Callable[[bytes], None] | None = None,
    public: bool = False,
) -> Characteristic[bytes]:
    """Return a characteristic that is read and written through functions."""
    permissions = Attribute.Permissions.READABLE if public else _SECRET
    if isinstance(read, bytes):
        return Characteristic(uuid(number), properties, permissions, read)
    reads = (lambda _connection: read()) if read is not None else None
    writes = (lambda _connection, value: write(bytes(value))) if write is not None else None
    return Characteristic(uuid(number), properties, permissions, CharacteristicValue(reads, writes))


class Port:
    """The way out of a peripheral: notifies and indicates to the one that is connected, encrypted and subscribed."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._connection: Connection | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, connection: Connection) -> None:
        """Note who is connected."""
        self._connection = connection

    def closed(self) -> None:
        """End everything that was being sent."""
        self._connection = None
        for task in self._tasks:
            task.cancel()

    async def aclose(self) -> None:
        """Wait until nothing is being sent any more."""
        self.closed()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def listens(self, to: Characteristic[bytes]) -> bool:
        """Tell whether notifications or indications would reach somebody."""
        connection = self._connection
        if connection is None or not connection.encryption:
            return False
        subscription = self._device.gatt_server.subscribers.get(connection, {}).get(to.handle)
        return bool(subscription and any(subscription))

    async def notify(self, about: Characteristic[bytes], value: bytes) -> None:
        """Send and hope, as notifications are."""
        if self._connection is not None and self.listens(about):
            await self._device.notify_subscriber(self._connection, about, value)

    async def indicate(self, about: Characteristic[bytes], value: bytes) -> bool:
        """Send and wait until the other side has confirmed. Returns whether it did."""
        if self._connection is None or not self.listens(about):
            return False
        try:
            await self._device.indicate_subscriber(self._connection, about, value)
        except TimeoutError:
            return False
        return True

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something that ends with the connection."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class Sensor(Protocol):
    """One service of an emulated device."""

    service: Service

    def measured(self, one: Sample | Block) -> bool:
        """Take a measurement of this service. Returns False when it can neither send nor keep it."""
        ...

    def listened(self) -> None:
        """Somebody connected, encrypted and subscribed to something: hand out what waits for that."""
        ...
