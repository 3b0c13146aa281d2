"""The attacks on insulin pumps that were published, against pumps with those faults and against the house."""

from __future__ import annotations

import hashlib
import struct
import time

from channels.db import database_sync_to_async

from devices.errors import PairingRefused
from devices.pairing.messages import HEAD
from devices.services import pairing
from tests.devices.ingest.cast import ToyDevice
from tests.lab.attack import Attack, units_too_many
from tests.lab.house import SERVER, House
from tests.lab.pumps import (
    DOSE,
    GREET,
    Command,
    Fob,
    FobPump,
    Meter,
    MeterPump,
    fob_packet,
    meter_packet,
    read_fob,
    read_meter,
)
from tests.lab.radio import Radio


class RecordedBolus(Attack):
    name = "a recorded remote bolus is played again"
    published = "MiniMed 508: CVE-2018-14781"
    stopped_by = "every frame has a counter; which ones came is stored with the readings"
    event = "frame_replayed"

    def there(self) -> str:
        radio = Radio()
        pump, fob = FobPump(radio), Fob(radio)
        fob.press(Command.BOLUS, 2.0)
        radio.send(radio.recorded[0])
        return units_too_many(pump.given_u, 2.0)

    async def here(self, house: House) -> str:
        recorded = house.bolus(2.0)
        assert (await house.send(recorded))["type"] == "ack"
        await house.send(recorded)
        return units_too_many(await house.given_u(), 2.0)


class InjectedBolus(Attack):
    name = "a command is made up from a serial number"
    published = "MiniMed 508 and Paradigm: CVE-2019-10964"
    stopped_by = "frames are sealed under a key that is never sent"
    event = "frame_forged"

    def there(self) -> str:
        radio = Radio()
        pump, fob = FobPump(radio), Fob(radio)
        fob.press(Command.BOLUS, 1.0)
        serial, _, _ = read_fob(radio.recorded[0])
        radio.send(fob_packet(serial, Command.BOLUS, 25.0))
        return units_too_many(pump.given_u, 1.0)

    async def here(self, house: House) -> str:
        known = house.bolus(1.0)
        assert (await house.send(known))["type"] == "ack"
        # The header goes in the clear: number, epoch and counter of the pump are all that somebody near can know.
        stranger = ToyDevice(house.pump.id, bytes(16), house.pump.epoch, seq=house.pump.seq, counter=house.pump.counter)
        await house.send(stranger.frame(("insulin_bolus", time.time() - 1, 25.0)))
        return units_too_many(await house.given_u(), 1.0)


class ModifiedBolus(Attack):
    name = "a command is changed on its way"
    published = "MiniMed 508 and Paradigm: CVE-2019-10964"
    stopped_by = "header and content are under the tag of the seal"
    event = "frame_forged"

    def there(self) -> str:
        radio = Radio()
        pump, fob = FobPump(radio), Fob(radio)
        radio.between = self._ten_times
        fob.press(Command.BOLUS, 1.0)
        return units_too_many(pump.given_u, 1.0)

    @staticmethod
    def _ten_times(packet: bytes) -> bytes:
        serial, command, units = read_fob(packet)
        return fob_packet(serial, command, units * 10)

    async def here(self, house: House) -> str:
        value_at = len(house.bolus(0.0)) - 16 - 4  # the number stands before the tag of 16 bytes
        for at in (value_at, value_at - 12, -1):
            changed = bytearray(house.bolus(1.0))
            changed[at] ^= 1
            await house.send(bytes(changed))
        return units_too_many(await house.given_u(), 0.0)


class InterceptedCommand(Attack):
    name = "somebody in between speaks for one end to the other"
    published = "MiniMed 508 and Paradigm: CVE-2019-10964"
    stopped_by = "both ends sign everything that they said, the shares of their keys among it"
    event = "gateway_refused"

    def there(self) -> str:
        radio = Radio()
        pump, fob = FobPump(radio), Fob(radio)
        radio.between = self._swallow_suspend
        fob.press(Command.SUSPEND)
        return "the remote says suspended, the pump runs" if fob.confirmed and pump.runs else ""

    @staticmethod
    def _swallow_suspend(packet: bytes) -> bytes:
        serial, _, _ = read_fob(packet)
        return fob_packet(serial, Command.DONE)

    async def here(self, house: House) -> str:
        hello = await house.gateway.fresh_hello()
        own_share = hashlib.sha256(b"the attacker's").digest()
        refused = await house.gateway.refused_as({**hello, "share": own_share})
        return "" if refused else "the session's keys are the attacker's"


class Overheard(Attack):
    name = "what is heard is read, and used"
    published = "OneTouch Ping: CVE-2016-5084"
    stopped_by = "content is encrypted, and nothing that is sent leads to a key"
    event = "frame_forged"

    def there(self) -> str:
        radio = Radio()
        pump = MeterPump(radio)
        meter = Meter(radio, pump)
        meter.pair()
        meter.dose(2.0)
        _, value, dose = read_meter(radio.recorded[-1])
        radio.send(meter_packet(GREET, value))
        radio.send(meter_packet(DOSE, value, 5.0))
        return f"read a dose of {dose:g} U; {units_too_many(pump.given_u, 2.0)}" if pump.given_u > 2.0 else ""

    async def here(self, house: House) -> str:
        """Listening leaves no trace; what somebody then tries with what was heard does."""
        frame = house.bolus(2.0)
        assert (await house.send(frame))["type"] == "ack"
        hello = house.gateway.recorded.hello
        heard = [hello["nonce"], hello["share"], hello["signature"], hello["proof"], frame]
        for key in {hashlib.sha256(one).digest()[:16] for one in heard} | {hello["nonce"][:16], hello["proof"][:16]}:
            await house.send(house.pump.seal(b"anything", key=key))
        read = struct.pack(">f", 2.0) in frame[20:]
        return "read a dose" if read else units_too_many(await house.given_u(), 2.0)


class StaticPairing(Attack):
    name = "a pairing that was heard once is shown at the next"
    published = "OneTouch Ping: CVE-2016-5085"
    stopped_by = "both ends bring fresh keys to each pairing, and what they send is sealed to them"
    event = "pairing_forged"

    def there(self) -> str:
        radio = Radio()
        pump = MeterPump(radio)
        Meter(radio, pump).pair()
        paired = radio.recorded[0]
        new_pump = MeterPump(radio)  # after its battery was changed, say: it waits to be paired anew
        radio.send(paired)
        _, value, _ = read_meter(paired)
        radio.send(meter_packet(GREET, value))
        radio.send(meter_packet(DOSE, value, 4.0))
        return units_too_many(new_pump.given_u, 0.0)

    async def here(self, house: House) -> str:
        before = bytes(house.row.root_sealed or b"")
        new = await database_sync_to_async(pairing.begin_pairing)(owner=house.row, server=SERVER)
        for message in (house.gateway.recorded.offer, house.gateway.recorded.proof):
            shown = message[: HEAD.size - 8] + new.address.reference + message[HEAD.size :]
            try:
                await database_sync_to_async(pairing.answer)(shown)
            except PairingRefused:
                continue
        await database_sync_to_async(house.row.refresh_from_db)()
        return "paired as the gateway" if bytes(house.row.root_sealed or b"") != before else ""


class ReplayedSession(Attack):
    name = "a whole conversation is recorded and held again"
    published = "OneTouch Ping: CVE-2016-5086"
    stopped_by = "each connection begins with a fresh challenge, and the hello is signed over it"
    event = "gateway_refused"

    def there(self) -> str:
        radio = Radio()
        pump = MeterPump(radio)
        meter = Meter(radio, pump)
        meter.pair()
        meter.dose(2.0)
        for packet in radio.recorded[-2:]:
            radio.send(packet)
        return units_too_many(pump.given_u, 2.0)

    async def here(self, house: House) -> str:
        frame = house.bolus(2.0)
        assert (await house.send(frame))["type"] == "ack"
        await house.gateway.open()
        refused = await house.gateway.refused_as(house.gateway.recorded.hello)
        return "" if refused else units_too_many(await house.given_u(), 0.0)


PUBLISHED: tuple[Attack, ...] = (
    RecordedBolus(),
    InjectedBolus(),
    ModifiedBolus(),
    InterceptedCommand(),
    Overheard(),
    StaticPairing(),
    ReplayedSession(),
)
