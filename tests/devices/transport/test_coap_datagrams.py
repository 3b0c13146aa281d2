"""CoAP, datagram by datagram: strangers get nothing out of the server, and no nonce is ever used twice."""

from __future__ import annotations

import asyncio
import time

import aiocoap
import pytest

from devices.protocol import sequence
from devices.protocol.sequence import NumberFile
from devices.services.coap_secrets import ReservedNumbers, renew_secret
from devices.transport import oscore
from tests.devices.ingest.cast import events
from tests.devices.transport.conformance.carriers import PATIENCE_S, CoapCarrier, in_database
from tests.devices.transport.conformance.conftest import (  # noqa: F401
    gateway,
    in_a_hurry,
    make_monitor,
    monitor,
    other_gateway,
)
from tests.devices.transport.conformance.test_every_line import beat, values
from tests.patience import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def carrier(transactional_db, in_a_hurry, tmp_path, gateway, monitor):  # noqa: F811
    async with CoapCarrier(tmp_path).open() as opened:
        yield opened


class Peer(asyncio.DatagramProtocol):
    """A socket of anybody's."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagram_received(self, data, addr) -> None:
        self.heard.append(data)


@pytest.fixture
async def anybody(carrier):
    """A socket of anybody's and what it hears."""
    loop = asyncio.get_running_loop()
    made = await loop.create_datagram_endpoint(Peer, remote_addr=("127.0.0.1", carrier.network.port))
    yield made
    made[0].close()
    await asyncio.sleep(0)  # asyncio closes a socket one turn later


async def ping(transport, peer) -> None:
    """Wait until everything said before was dealt with: a ping is answered at once (RFC 7252, section 4.3)."""
    before = len(peer.heard)
    transport.sendto(bytes.fromhex("4000abcd"))
    await until(lambda: bytes.fromhex("7000abcd") in peer.heard[before:], PATIENCE_S)
    peer.heard.remove(bytes.fromhex("7000abcd"))


def plain(path: str, payload: bytes = b"") -> bytes:
    message = aiocoap.Message(code=aiocoap.POST, _mtype=aiocoap.CON, _mid=7, _token=b"t", payload=payload)
    message.opt.uri_path = ("m1", path)
    return message.encode()


def protected(context, path: str = "session") -> bytes:
    message = aiocoap.Message(code=aiocoap.POST)
    message.opt.uri_path = ("m1", path)
    outer, _ = context.protect(message)
    outer.mtype, outer.mid, outer.token = aiocoap.CON, 9, b"t"
    return outer.encode()


async def test_who_proves_nothing_is_never_told_more_bytes_than_it_sent(carrier, anybody, gateway, tmp_path):  # noqa: F811
    stranger = oscore.gateway_context(b"x" * 32, gateway.id, NumberFile(tmp_path / "stranger"))
    nobody = oscore.gateway_context(b"x" * 32, 4_000_000_000, NumberFile(tmp_path / "nobody"))
    said = [plain("session"), plain("frames", b"x" * 900), protected(stranger), protected(nobody)]
    transport, peer = anybody
    for datagram in said:
        peer.heard.clear()
        transport.sendto(datagram)
        await until(lambda: peer.heard, PATIENCE_S)
        assert len(peer.heard) == 1
        assert len(peer.heard[0]) <= 5 < len(datagram)
    assert (await events("gateway_refused", within_s=PATIENCE_S))[0].category == "security"


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x40", b"\xff" * 40, b"\x4f\x02\x00\x01" + b"x" * 30, b"\x40\x02\x00\x01\xdf\xff", bytes(3000)],
    ids=["empty", "short", "version", "token", "option", "long"],
)
async def test_garbage_is_not_answered(carrier, anybody, garbage):
    transport, peer = anybody
    transport.sendto(garbage)
    await ping(transport, peer)
    assert all(len(answer) <= len(garbage) for answer in peer.heard)


@pytest.mark.parametrize(
    "option", [b"", b"\xff", b"\x07" + b"1" * 7, b"\x19\x01\xff", b"\x09\x01", b"\x0f" + b"1" * 15]
)
async def test_malformed_oscore_option_harms_nobody(carrier, anybody, gateway, monitor, option):  # noqa: F811
    transport, peer = anybody
    message = aiocoap.Message(code=aiocoap.POST, _mtype=aiocoap.CON, _mid=7, _token=b"t", payload=b"y" * 40)
    message.opt.oscore = option + oscore.gateway_name(gateway.id)
    transport.sendto(message.encode())
    await ping(transport, peer)
    assert all(len(answer) <= len(message.encode()) for answer in peer.heard)
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.send(beat(monitor))
        await talk.answers(1)


async def test_recorded_datagrams_shown_again_store_nothing_and_are_not_answered(carrier, anybody, gateway, monitor):  # noqa: F811
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.send(beat(monitor))
        await talk.answers(1)
    recorded = [datagram for direction, datagram in carrier.network.carried if direction == "up"]
    transport, peer = anybody
    for datagram in recorded:
        transport.sendto(datagram)
    await ping(transport, peer)
    for code in (aiocoap.Message.decode(answer).code for answer in peer.heard):
        assert code == aiocoap.EMPTY
    assert values(monitor) == [70.0]


async def test_server_that_forgot_asks_whether_a_request_is_of_now(carrier, anybody, gateway, monitor):  # noqa: F811
    async with carrier.talk(gateway) as talk:
        await talk.greet()
    recorded = [datagram for direction, datagram in carrier.network.carried if direction == "up"]
    await carrier.stop_server()
    await carrier.start_server()
    transport, peer = anybody
    for datagram in recorded:
        transport.sendto(datagram)
    await until(lambda: peer.heard, PATIENCE_S)
    await ping(transport, peer)
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        await talk.send(beat(monitor))
        assert (await talk.answers(1))[0]["type"] == "ack"


async def test_no_nonce_is_used_twice_by_either_side_over_restarts(carrier, gateway, monitor):  # noqa: F811
    for _ in range(2):
        for _ in range(2):
            async with carrier.talk(gateway) as talk:
                await talk.greet()
                await talk.send(beat(monitor))
                await talk.answers(1)
        await carrier.stop_server()
        await carrier.start_server()
    used: dict[str, dict[int, bytes]] = {"up": {}, "down": {}}
    for direction, datagram in carrier.network.carried:
        message = aiocoap.Message.decode(datagram)
        if message.opt.oscore is None:
            continue
        size = message.opt.oscore[0] & 7
        assert size, "every protected message carries a number of its sender's own"
        number = int.from_bytes(message.opt.oscore[1 : 1 + size], "big")
        assert used[direction].setdefault(number, message.payload) == message.payload  # repeated only as it was
    assert all(len(numbers) > 8 for numbers in used.values())


async def test_renewed_secret_ends_the_line_of_the_former(carrier, gateway, monitor, monkeypatch):  # noqa: F811
    from devices.models import Gateway
    from devices.services import coap

    monkeypatch.setattr(coap, "SWEEP_S", 0.1)
    await carrier.stop_server()
    await carrier.start_server()
    async with carrier.talk(gateway) as talk:
        await talk.greet()
        fresh = await in_database(lambda: renew_secret(Gateway.objects.get(pk=gateway.id)))
        await talk.ended()
    with pytest.raises(ConnectionError):
        async with carrier.talk(gateway):
            pass
    gateway.secret = fresh
    async with carrier.talk(gateway) as talk:
        await talk.greet()


def test_numbers_start_behind_every_number_that_may_have_been_used(tmp_path, monkeypatch):
    monkeypatch.setattr(sequence.time, "time", lambda: float(sequence.EPOCH_S))
    first = NumberFile(tmp_path / "numbers")
    taken = [first.take() for _ in range(sequence.BLOCK + 3)]
    assert taken == list(range(sequence.BLOCK + 3))
    assert NumberFile(tmp_path / "numbers").take() == 2 * sequence.BLOCK


def test_numbers_leap_to_the_time_when_their_file_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(sequence.time, "time", lambda: sequence.EPOCH_S + 1000.0)
    used = NumberFile(tmp_path / "numbers").take()
    (tmp_path / "numbers").unlink()
    monkeypatch.setattr(sequence.time, "time", lambda: sequence.EPOCH_S + 1100.0)
    assert NumberFile(tmp_path / "numbers").take() >= used + sequence.BLOCK


def test_processes_of_the_house_never_share_a_number(gateway):  # noqa: F811
    processes = [ReservedNumbers(gateway.id) for _ in range(3)]
    taken = []
    for numbers in processes:
        numbers.reserve()
    for _ in range(100):
        taken += [numbers.take() for numbers in processes]
    assert len(set(taken)) == 300
    assert min(taken) >= sequence.floor_now() - (time.time() - sequence.EPOCH_S)


def test_context_of_the_gateway_opens_what_the_house_protects(tmp_path):
    """The contexts are those of RFC 8613: a plain aiocoap context of the same inputs opens our messages."""
    mine = oscore.gateway_context(b"s" * 32, 7, NumberFile(tmp_path / "a"))
    theirs = oscore.server_context(b"s" * 32, 7, NumberFile(tmp_path / "b"))
    assert (mine.sender_key, mine.recipient_key, mine.common_iv) == (
        theirs.recipient_key,
        theirs.sender_key,
        theirs.common_iv,
    )
