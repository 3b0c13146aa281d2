"""Attacks on what is on its way: order, time, place, numbers and ciphers of frames."""

from __future__ import annotations

import time

from channels.db import database_sync_to_async

from devices.protocol.frames import HEADER_BYTES, TAG_BYTES
from devices.protocol.replay import WINDOW
from devices.protocol.suites import Suite
from devices.services.ingest import CREDIT, stop_ingest
from tests.lab.attack import Attack, units_too_many
from tests.lab.house import House
from tests.lab.link import NO_CIPHER, TrustingServer, body, ciphertext, sealed

PUMP, NEIGHBOUR = 7, 8
NOON = 1_700_000_000.0


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))


class Reordered(Attack):
    name = "frames are put into another order"
    stopped_by = "the newest by its own time is shown, however late others come; behind the window nothing is taken"
    event = "frame_replayed"

    def there(self) -> str:
        server = TrustingServer()
        old, new = (sealed(PUMP, n, body(n, NOON + n, value)) for n, value in ((1, 250.0), (2, 55.0)))
        server.hear(new)
        server.hear(old)
        return "shows 250 mg/dL while the newest is 55" if server.shown[PUMP] == 250.0 else ""

    async def here(self, house: House) -> str:
        began = time.time() - 100.0
        frames = [house.rate(1.0 + n / 100, began + n) for n in range(WINDOW + 4)]
        held, *others = frames
        shuffled = [*others[:40], *reversed(others[40:])]
        for start in range(0, len(shuffled), CREDIT):
            assert (await house.send(*shuffled[start : start + CREDIT]))["type"] == "ack"
        await house.send(held)
        shown, newest = await house.shown_u_per_h(), 1.0 + (WINDOW + 3) / 100
        return "" if abs(shown - newest) < 0.001 else f"shows {shown:g} U/h while the newest is {newest:g}"


class Delayed(Attack):
    name = "a frame is held back and delivered when it suits"
    stopped_by = "keys last as long as a connection; what is late is sealed again by its gateway, with its own time"
    event = "frame_epoch_unknown"

    def there(self) -> str:
        server = TrustingServer()
        held = sealed(PUMP, 1, body(1, NOON, 90.0))
        hours_later = sealed(PUMP, 2, body(2, NOON + 10_800.0, 41.0))
        server.hear(hours_later)
        server.hear(held)
        return "a glucose of three hours ago covers one of 41 mg/dL" if server.shown[PUMP] == 90.0 else ""

    async def here(self, house: House) -> str:
        held = house.bolus(3.0)
        await house.connect()
        await house.send(held)
        return units_too_many(await house.given_u(), 0.0)


class WrongDevice(Attack):
    name = "a gateway speaks for another's device"
    stopped_by = "the registry ties device to gateway, and each device has a key of its own in each epoch"
    event = "frame_wrong_device"

    def there(self) -> str:
        server = TrustingServer()
        server.hear(sealed(PUMP, 1, body(1, NOON, 0.0)))
        server.hear(sealed(PUMP, 2, body(2, NOON + 60.0, 9.0)))  # sealed by the neighbour: the key is the same
        return "9 U are on a record that is not the sender's" if server.stored[PUMP, 2] == 9.0 else ""

    async def here(self, house: House) -> str:
        await house.neighbour.connect()
        stolen_name = house.neighbour.device(house.pump.id)
        await house.neighbour.send(stolen_name.frame(("insulin_bolus", time.time() - 1, 9.0)))
        return units_too_many(await house.given_u(), 0.0)


class Rebooted(Attack):
    name = "a reboot makes the server forget what it saw"
    stopped_by = "windows are on the disk, and a reboot begins another epoch"
    event = "frame_epoch_unknown"

    def there(self) -> str:
        server = TrustingServer()
        recorded = sealed(PUMP, 1, body(1, NOON, 4.0))
        server.hear(recorded)
        assert not server.hear(recorded)
        server.reboot()
        server.hear(recorded)
        return f"one frame was taken {server.taken} times" if server.taken > 1 else ""

    async def here(self, house: House) -> str:
        recorded = house.bolus(4.0)
        assert (await house.send(recorded))["type"] == "ack"
        await database_sync_to_async(stop_ingest)()
        await house.connect()
        await house.send(recorded)
        return units_too_many(await house.given_u(), 4.0)


class RolledBack(Attack):
    name = "a device is set back, so that its numbers begin anew"
    stopped_by = "one number is one reading: what came first under it stays"
    event = "reading_sequence_reused"

    def there(self) -> str:
        server = TrustingServer()
        server.hear(sealed(PUMP, 1, body(1, NOON, 6.0)))
        server.hear(sealed(PUMP, 9, body(1, NOON, 0.0)))
        return "a bolus of 6 U was overwritten with none" if server.stored[PUMP, 1] == 0.0 else ""

    async def here(self, house: House) -> str:
        assert (await house.send(house.bolus(6.0)))["type"] == "ack"
        house.pump.seq = 0
        assert (await house.send(house.bolus(0.0)))["type"] == "ack"  # there is nothing to be sent again
        given_u = await house.given_u()
        return "" if given_u == 6.0 else f"a bolus of 6 U became {given_u:g} U"


class NonceReset(Attack):
    name = "counters begin anew, and with them the nonces"
    stopped_by = "each connection has its own keys, each device its own counters; one that comes twice is refused"
    event = "frame_replayed"

    def there(self) -> str:
        known, secret = body(1, NOON, 2.0), body(2, NOON + 60.0, 7.5)
        before, after = sealed(PUMP, 1, known), sealed(PUMP, 1, secret)
        read = _xor(_xor(ciphertext(before), ciphertext(after)), known)
        return "read 7.5 U without a key" if read == secret else ""

    async def here(self, house: House) -> str:
        first = house.bolus(2.0, counter=1)
        assert (await house.send(first))["type"] == "ack"
        await house.send(house.bolus(7.5, counter=1))  # the same epoch: refused, so that no gateway gets used to it
        doses_u = await house.given_u()
        await house.connect()
        house.pump.seq = 0
        again = house.bolus(2.0, counter=1)  # the same content, number and counter after a reboot
        sealed_parts = (frame[HEADER_BYTES:-TAG_BYTES] for frame in (first, again))
        alike = not any(_xor(*sealed_parts)[:8])  # the first eight bytes hold the sequence number, which is equal
        return "two frames share their key stream" if alike else units_too_many(doses_u, 2.0)


class CipherDowngrade(Attack):
    name = "a frame names a weaker cipher"
    stopped_by = "a device's cipher stands in the registry and enters its key"
    event = "frame_cipher_refused"

    def there(self) -> str:
        server = TrustingServer()
        server.hear(sealed(PUMP, 1, body(1, NOON, 12.0), cipher=NO_CIPHER))
        return "12 U were taken unsealed" if server.stored.get((PUMP, 1)) == 12.0 else ""

    async def here(self, house: House) -> str:
        frame = house.bolus(12.0)
        await house.send(frame[:1] + bytes([Suite.PHOTON_BEETLE]) + frame[2:])
        return units_too_many(await house.given_u(), 0.0)


FRAMES: tuple[Attack, ...] = (
    Reordered(),
    Delayed(),
    WrongDevice(),
    Rebooted(),
    RolledBack(),
    NonceReset(),
    CipherDowngrade(),
)
