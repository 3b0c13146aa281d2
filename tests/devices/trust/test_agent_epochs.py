"""The agent of a paired gateway on a real socket: epochs follow each other, and no reading is lost or told twice."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from devices.gateway import agent as agent_module
from devices.gateway.agent import Agent
from devices.gateway.config import load
from devices.gateway.identity import identities_of, load_identities, save_identities
from devices.pairing.gateway_side import Paired
from devices.protocol.ascon import backend
from devices.protocol.certificates import Kind, Subject, serial_of
from devices.protocol.decoding import decode_readings, decode_waveform
from devices.protocol.epochs import frame_key
from devices.protocol.frames import HEADER_BYTES, FrameKind, Header, parse_header, split_frames
from devices.protocol.heard import split_heard
from devices.protocol.hello import MutualHello
from devices.protocol.mutual import Agreement, Epoch, Terms, check_mutual
from tests.devices.pairing.cast import House, real_now
from tests.patience import until

GATEWAY, DEVICES = Subject(Kind.GATEWAY, 3), (7, 8)
ROOT = b"r" * 32


class MutualWard:
    """A server's end that greets as the real one does. `fails(connection, epoch)` says when it dies: "before" or
    "after" it counted an epoch, or in the "middle" of one."""

    def __init__(self, frames: int, fails: Callable[[int, int], str] = lambda _c, _e: "") -> None:
        self.house = House(made=real_now())
        self.identity = self.house.identity_of(GATEWAY)
        self._frames, self._fails = frames, fails
        self.epochs: list[int] = []
        self.seen: dict[tuple[int, int], int] = {}  # device and sequence number -> how often it was stored
        self.wrong: list[str] = []
        self.connections = self.port = 0
        self._number = int(time.time())

    @property
    def paired(self) -> Paired:
        seed = self.identity.key.private_bytes_raw()
        return Paired(GATEWAY, seed, ROOT, self.identity.certificate, self.house.authority)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[MutualWard]:
        async with serve(self._meet, "127.0.0.1", self.port) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _meet(self, socket: ServerConnection) -> None:
        self.connections += 1
        connection, nonce = self.connections, os.urandom(32)
        try:
            challenge = {"type": "challenge", "nonce": nonce.hex(), "server_time": time.time()}
            await socket.send(json.dumps(challenge))
            epoch = await self._greet(socket, await socket.recv(), nonce, connection)
            async for message in socket:
                if epoch is None:
                    return
                if isinstance(message, str):
                    epoch = await self._greet(socket, message, epoch.transcript, connection)
                else:
                    await self._take(socket, message, epoch, connection)
        except ConnectionClosed:
            return

    async def _greet(self, socket: ServerConnection, text: str | bytes, nonce: bytes, connection: int) -> Epoch | None:
        hello = msgspec.json.decode(text, type=MutualHello)
        public = self.identity.key.public_key().public_bytes_raw()
        certificates = {f"{serial_of(self.identity.certificate):040x}": time.time() + 60}
        now = time.time()
        proof = check_mutual(hello, nonce=nonce, public_key=public, root=ROOT, certificates=certificates, now=now)
        how = self._fails(connection, len(self.epochs))
        if how == "before":
            await socket.close()
            return None
        self._number += 1
        agreement = proof.agreement
        assert isinstance(agreement, Agreement)
        epoch = agreement.begin(self._number, self.house.link, Terms(8, 3600, self._frames), now=now)
        self.epochs.append(epoch.number)
        if how == "after":
            await socket.close()
            return None
        await socket.send(msgspec.json.encode(agreement.message).decode())
        return epoch

    async def _take(self, socket: ServerConnection, message: bytes, epoch: Epoch, connection: int) -> None:
        for frame in split_frames(message):
            header = parse_header(frame)
            if header.epoch != epoch.number:
                self.wrong.append(f"{header.epoch} instead of {epoch.number}")
            key = frame_key(epoch.secret, header.device, 1)
            payload = backend("python").open(key, header.nonce, frame[:HEADER_BYTES], frame[HEADER_BYTES:])
            for seq in _numbers(header, payload):
                self.seen[header.device, seq] = self.seen.get((header.device, seq), 0) + 1
            if self._fails(connection, len(self.epochs)) == "middle":
                await socket.close()
                return
            await socket.send(json.dumps({"type": "ack", "frames": [[header.device, header.counter]]}))


def _numbers(header: Header, payload: bytes) -> list[int]:
    if header.kind is FrameKind.FACT:
        return []  # numbered apart
    payload = split_heard(payload)[1]
    if header.kind is FrameKind.WAVEFORM:
        return [decode_waveform(header.device, payload).seq]
    return [int(seq) for seq in decode_readings(header.device, payload)["seq"]]


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "BACKOFF_FIRST_S", 0.1)


def write(folder: Path, ward: MutualWard) -> Path:
    save_identities(folder / "identity.json", identities_of(ward.paired))
    config = {
        "gateway_id": GATEWAY.number,
        "server": f"ws://127.0.0.1:{ward.port}/ws/gateway/",
        "identity_file": "identity.json",
        "queue": "queue.sqlite3",
        "interval_s": 0.02,
        "devices": [{"device_id": device, "kind": "vital_signs_monitor"} for device in DEVICES],
        "plant": {"entry": "tests.devices.gateway.plants:build", "options": {}},
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Agent]:
    agent = Agent(load(path))
    work = asyncio.create_task(agent.run())
    try:
        yield agent
    finally:
        agent.stop()
        async with asyncio.timeout(60):
            await work


def whole(ward: MutualWard) -> bool:
    """Tell whether no number is missing between the first and the last of each device."""
    numbers = {device: sorted(seq for one, seq in ward.seen if one == device) for device in DEVICES}
    return all(found == list(range(found[0], found[0] + len(found))) for found in numbers.values() if found)


async def test_epochs_follow_each_other_inside_one_session(tmp_path: Path) -> None:
    async with MutualWard(frames=10).open() as ward, running(write(tmp_path, ward)):
        await until(lambda: len(ward.epochs) >= 5)
    assert ward.connections == 1
    assert ward.epochs == sorted(set(ward.epochs))
    assert ward.wrong == []
    assert set(ward.seen.values()) == {1}
    assert whole(ward)


@pytest.mark.parametrize("how", ["before", "after", "middle"])
async def test_a_server_that_dies_around_an_epoch_loses_nothing(tmp_path: Path, how: str) -> None:
    def fails(connection: int, epochs: int) -> str:
        return how if connection <= 3 and epochs >= connection + 1 else ""

    async with MutualWard(frames=10, fails=fails).open() as ward, running(write(tmp_path, ward)) as agent:
        await until(lambda: ward.connections >= 4 and len(ward.epochs) >= 6)
        await until(lambda: agent.queue.depth().waiting < 20)
    assert ward.epochs == sorted(set(ward.epochs))
    assert ward.wrong == []
    assert whole(ward)


async def test_a_gateway_that_begins_anew_repeats_no_key(tmp_path: Path) -> None:
    """Also with its queue lost and its identity brought back from an old copy: there is no key on the disk."""
    async with MutualWard(frames=1 << 20).open() as ward:
        path = write(tmp_path, ward)
        copy = (tmp_path / "identity.json").read_bytes()
        for count in range(1, 4):
            async with running(path):
                await until(lambda count=count: len(ward.epochs) == count and len(ward.seen) > 5 * count)
            for left in tmp_path.glob("queue*"):
                left.unlink()
            (tmp_path / "identity.json").write_bytes(copy)
    assert len(set(ward.epochs)) == len(ward.epochs)
    assert load_identities(tmp_path / "identity.json").root == ROOT
    kept = b"".join(place.read_bytes() for place in tmp_path.iterdir())
    assert all(str(number).encode() not in kept for number in ward.epochs)


async def test_a_server_of_another_house_gets_no_reading(tmp_path: Path) -> None:
    ward = MutualWard(frames=10)
    async with ward.open():
        path = write(tmp_path, ward)
        ward.house = House(made=real_now())  # who sits on the address now has an authority of its own
        async with running(path) as agent:
            await until(lambda: ward.connections >= 2 and agent.queue.depth().waiting > 0)
    assert ward.seen == {}
