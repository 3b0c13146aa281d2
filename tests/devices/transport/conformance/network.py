"""A network that fails as networks do: a proxy on this machine that loses, repeats, reorders and cuts."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any, Protocol


class Network(Protocol):
    """What gateways connect to. `bad`: from now on it fails now and then."""

    port: int
    bad: bool
    failures: int

    async def __aenter__(self) -> Network: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def restart(self) -> None: ...


class StreamNetwork:
    """TCP: it cuts connections in the middle of what they carry; losing and reordering is TCP's own business."""

    CUT_AFTER_BYTES = (500, 4_000)

    def __init__(self, target: int) -> None:
        self.target, self.port, self.bad, self.failures = target, 0, False, 0
        self._random = random.Random(1)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> StreamNetwork:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut()

    async def restart(self) -> None:
        """Cut what is connected; new connections are carried."""
        await self._cut()

    async def _cut(self) -> None:
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
            copies = [asyncio.ensure_future(self._copy(*ends)) for ends in ((reader, far), (far_reader, writer))]
            try:
                await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for copy in copies:
                    copy.cancel()
                await asyncio.gather(*copies, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes until the end; while the network is bad, not many."""
        room = self._random.randint(*self.CUT_AFTER_BYTES)
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                room -= len(data) if self.bad else 0
                if room < 0:
                    self.failures += 1
                    return
                writer.write(data)
                await writer.drain()


class DatagramNetwork(asyncio.DatagramProtocol):
    """UDP: of a hundred datagrams it loses ten, repeats ten and delivers ten late, behind those that follow."""

    LOST, REPEATED, LATE = 0.1, 0.1, 0.1
    LATE_S = 0.05

    def __init__(self) -> None:
        self.target, self.port, self.bad, self.failures = 0, 0, False, 0
        self.carried: list[tuple[str, bytes]] = []  # (direction, datagram)
        self.filter: Callable[[str, bytes], bytes | None] | None = None
        self._random = random.Random(1)
        self._near: asyncio.DatagramTransport | None = None
        self._far: dict[Any, asyncio.DatagramTransport] = {}
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> DatagramNetwork:
        loop = asyncio.get_running_loop()
        self._near, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))
        self.port = self._near.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.restart()
        assert self._near is not None
        self._near.close()
        await asyncio.sleep(0)  # asyncio closes a socket one turn later

    async def restart(self) -> None:
        """Forget who is who, as a router does that was switched off: gateways come from new ports afterwards."""
        for far in self._far.values():
            far.close()
        self._far.clear()
        await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        task = asyncio.ensure_future(self._forward(data, addr))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def error_received(self, exc: Exception) -> None: ...

    async def _forward(self, data: bytes, addr: Any) -> None:
        async with self._opening:
            if addr not in self._far:
                loop = asyncio.get_running_loop()
                far, _ = await loop.create_datagram_endpoint(
                    lambda: _Back(self, addr), remote_addr=("127.0.0.1", self.target)
                )
                self._far[addr] = far
        self._carry("up", data, self._far[addr].sendto)

    def back(self, data: bytes, addr: Any) -> None:
        if self._near is not None and not self._near.is_closing():
            self._carry("down", data, lambda datagram: self._near.sendto(datagram, addr))  # type: ignore[union-attr]

    def _carry(self, direction: str, data: bytes, send: Callable[[bytes], None]) -> None:
        self.carried.append((direction, data))
        changed = self.filter(direction, data) if self.filter else data
        if changed is None:
            return
        chance = self._random.random() if self.bad else 1.0
        if chance < self.LOST:
            self.failures += 1
            return
        if chance < self.LOST + self.REPEATED:
            self.failures += 1
            send(changed)
        elif chance < self.LOST + self.REPEATED + self.LATE:
            self.failures += 1
            asyncio.get_running_loop().call_later(self.LATE_S, send, changed)
            return
        send(changed)


class _Back(asyncio.DatagramProtocol):
    """The way back to one gateway."""

    def __init__(self, network: DatagramNetwork, addr: Any) -> None:
        self._network, self._addr = network, addr

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._network.back(data, self._addr)

    def error_received(self, exc: Exception) -> None: ...
