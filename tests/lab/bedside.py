"""Attacks on a gateway: from the air around it, and by whoever answers in its server's place.

Its own log names them; the house hears nothing of what its gateway did not believe.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bumble.core import AdvertisingData

from tests.devices.bluetooth.conftest import NOON, Room, room_in
from tests.devices.pairing.cast import House as Authority
from tests.devices.pairing.cast import real_now
from tests.devices.trust.test_agent_epochs import MutualWard, running, write
from tests.lab.attack import Attack, LoggedBy
from tests.lab.central import TrustingGateway
from tests.lab.house import House
from tests.patience import until

PUMP, NAME, ADDRESS = 7, "insulin_pump-7", "C0:00:00:00:00:07"


def _believed(values: list[float]) -> str:
    return f"a bolus of {max(values):g} U was heard that no pump gave" if values else ""


class Namesake(Attack):
    name = "a stranger's radio bears the pump's name"
    published = "OneTouch Ping: CVE-2016-5085"
    stopped_by = "a device is known by its address, its services, its serial number and its bond, not by a name"
    event = "ble_peripheral_foreign"
    logged_by = LoggedBy.GATEWAY

    def there(self) -> str:
        gateway = TrustingGateway(NAME)
        gateway.advertised(NAME, 9.0)
        return _believed(gateway.heard)

    async def here(self, house: House) -> str:
        with tempfile.TemporaryDirectory() as folder:
            async with room_in(Path(folder)) as room:
                return await self._in(room)

    @staticmethod
    async def _in(room: Room) -> str:
        pump = await room.add(PUMP, "insulin_pump", named=NAME)
        await pump.device.stop_advertising()  # the stranger's is the stronger one
        stranger = room.air.device("stranger", "C0:00:00:00:DD:07")
        await stranger.power_on()
        data = AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, NAME.encode())])
        await stranger.start_advertising(advertising_data=bytes(data), advertising_interval_min=20.0)
        called: list[object] = []
        stranger.on("connection", called.append)
        room.start()
        await until(lambda: room.noted("ble_peripheral_foreign"))
        await stranger.stop_advertising()
        await stranger.power_off()
        room.air.leave(stranger)
        return "the gateway called the stranger" if called else ""


class TakenAddress(Attack):
    name = "a stranger's radio takes the pump's address and asks for a new bond"
    published = "OneTouch Ping: CVE-2016-5085"
    stopped_by = "a device without the key of its bond is not bonded again until a person removes the old one"
    event = "ble_bond_refused"
    logged_by = LoggedBy.GATEWAY

    def there(self) -> str:
        gateway = TrustingGateway(NAME)
        gateway.bond(ADDRESS, b"the pump's")
        gateway.bond(ADDRESS, b"the stranger's")
        gateway.notified(ADDRESS, b"the stranger's", 9.0)
        return _believed(gateway.heard)

    async def here(self, house: House) -> str:
        with tempfile.TemporaryDirectory() as folder:
            async with room_in(Path(folder)) as room:
                return await self._in(room)

    @staticmethod
    async def _in(room: Room) -> str:
        pump = await room.add(PUMP, "insulin_pump")
        room.start()
        await room.listening()
        (room.folder / "devices.json").write_text("{}")  # whoever answers there now has no bond
        room.air.cut(pump.device)
        await until(lambda: room.noted("ble_bond_refused"))
        room.measure(PUMP, "insulin_bolus", NOON, 9.0)
        return _believed([value for _, value in room.values("insulin_bolus")])


class FalseServer(Attack):
    name = "a server of somebody else answers in the house's place"
    stopped_by = "the gateway knows the authority of its house since its pairing, and the server must have the root"
    event = "certificate_foreign"
    logged_by = LoggedBy.GATEWAY

    def there(self) -> str:
        gateway = TrustingGateway(NAME)
        gateway.advertised(NAME, 2.0)
        gateway.welcomed("a stranger")
        return f"{len(gateway.handed_over['a stranger'])} doses are with a stranger" if gateway.handed_over else ""

    async def here(self, house: House) -> str:
        stranger = MutualWard(frames=10)
        with tempfile.TemporaryDirectory() as folder:
            async with stranger.open():
                path = write(Path(folder), stranger)
                stranger.house = Authority(made=real_now())  # the gateway was paired with another one
                async with running(path):
                    await until(lambda: stranger.connections >= 2)
        return f"{len(stranger.seen)} readings are with a stranger" if stranger.seen else ""


BEDSIDE: tuple[Attack, ...] = (Namesake(), TakenAddress(), FalseServer())
