"""The honest gateways of `benchmarks.security`: they measure, send, come back when a line ends, and lose nothing.

`python -m benchmarks.security.load` reads one plan a line (JSON), greets, says what somebody on the line would have
recorded, waits for a line, plays, and prints when each frame was made and acknowledged. Frames are sealed, or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from benchmarks.security.pulse import pulse_at
from devices.kinds.registry import by_key
from devices.protocol.ascon import best_backend
from devices.protocol.frames import FrameKind, Header, encode_readings, join_frames
from devices.protocol.hello import make_hello

OPEN_WITHIN_S = 2.0
AGAIN_S = 0.2
SETTLE_S = 0.5
LOOK_S = 0.1
WAIT_S = 2.0  # after the last frame, for what is on its way
CALM_MG_DL, DANGER_MG_DL = 110.0, 45.0
PULSE, GLUCOSE = by_key("heart_rate").code, by_key("glucose").code


@dataclass
class Made:
    """One frame. made, acked: s since the Unix epoch; danger: it says that somebody is in danger."""

    device: int
    counter: int
    made: float
    frame: bytes
    danger: bool = False
    acked: float | None = None


@dataclass
class Gateway:
    """One gateway on its line."""

    plan: dict[str, Any]
    own: dict[str, Any]
    first: int
    number: int = 0
    counted_from: float = 0.0  # s since the Unix epoch
    frames: list[Made] = field(default_factory=list)
    hello: str = ""
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    greeted: asyncio.Event = field(default_factory=asyncio.Event)
    due: asyncio.Event = field(default_factory=asyncio.Event)

    async def stay(self) -> None:
        """Be connected, again and again; what was not acknowledged is sent again."""
        while True:
            with contextlib.suppress(OSError, TimeoutError, WebSocketException, ConnectionError):
                place = f"ws://127.0.0.1:{self.plan['port']}/ws/gateway/"
                async with connect(place, open_timeout=OPEN_WITHIN_S, close_timeout=0.1, proxy=None) as line:
                    async with asyncio.timeout(OPEN_WITHIN_S):
                        await self._greet(line)
                    await self._talk(line)
            await asyncio.sleep(AGAIN_S)

    async def _greet(self, line: ClientConnection) -> None:
        said = json.loads(await line.recv())
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.own["key"]))
        self.hello = json.dumps(make_hello(said, gateway_id=self.own["id"], software="bench", key=key))
        await line.send(self.hello)
        if json.loads(await line.recv())["type"] != "welcome":
            raise ConnectionError
        self.greeted.set()

    async def _talk(self, line: ClientConnection) -> None:
        self.cut.clear()
        sent: set[int] = set()
        hearing = asyncio.create_task(self._hear(line))
        try:
            while not self.cut.is_set() and not hearing.done():
                for one in [one for one in self.frames if one.acked is None and one.counter not in sent][:16]:
                    sent.add(one.counter)
                    await line.send(join_frames([one.frame]))
                self.due.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.due.wait(), LOOK_S)
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _hear(self, line: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                said = json.loads(await line.recv())
                now = time.time()
                if said["type"] == "ack":
                    heard = {(device, counter) for device, counter in said["frames"]}
                    for one in self.frames:
                        if one.acked is None and (one.device, one.counter) in heard:
                            one.acked = now

    def say(self, device: dict[str, Any], metric: int, value: float | None = None, danger: bool = False) -> None:
        """Make a frame of one reading now. value: None for the pulse that everybody knows."""
        self.number += 1
        now = round(time.time(), 3)
        counter = self.first + self.number
        payload = encode_readings(counter, [metric], [now], [pulse_at(now) if value is None else value])
        header = Header(FrameKind.READINGS, device["id"], 1, counter)
        if self.plan["sealed"]:
            frame = header.raw + best_backend().seal(bytes.fromhex(device["key"]), header.nonce, header.raw, payload)
        else:
            frame = header.raw + payload
        self.frames.append(Made(device["id"], counter, now, frame, danger))
        self.due.set()


async def play(plan: dict[str, Any]) -> None:
    """Play one plan."""
    gateways = [Gateway(plan, own, plan["first"]) for own in plan["gateways"]]
    staying = [asyncio.create_task(gateway.stay()) for gateway in gateways]
    try:
        async with asyncio.timeout(60.0):
            await asyncio.gather(*(gateway.greeted.wait() for gateway in gateways))
        for gateway in gateways:  # caches fill, the values of those who will be in danger are calm
            for device in gateway.own["endangered"]:
                gateway.say(device, GLUCOSE, CALM_MG_DL)
            gateway.say(gateway.own["monitor"], PULSE)
        await asyncio.sleep(SETTLE_S)
        recorded = [[one.hello, [made.frame.hex() for made in one.frames[-1:]]] for one in gateways]  # of the monitor
        print(json.dumps(recorded), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        await _measure(plan, gateways)
        print(json.dumps(_found(gateways)), flush=True)
    finally:
        for task in staying:
            task.cancel()
        await asyncio.gather(*staying, return_exceptions=True)


async def _measure(plan: dict[str, Any], gateways: list[Gateway]) -> None:
    """Send for as long as planned, a pulse of each monitor in turn; cut every line once. lead_s: is not counted."""
    start = time.monotonic()
    for gateway in gateways:
        gateway.counted_from = time.time() + plan["lead_s"]
    dangers = [(one.own["danger_at_s"], one, device) for one in gateways for device in one.own["endangered"]]
    waiting = sorted(dangers, key=lambda entry: entry[0])
    cut, number = False, 0
    while (now := time.monotonic() - start - plan["lead_s"]) < plan["seconds"]:
        if not cut and now >= plan["cut_at_s"]:
            cut = True
            for gateway in gateways:
                gateway.cut.set()
                gateway.due.set()
        while waiting and waiting[0][0] <= now:
            _, gateway, device = waiting.pop(0)
            gateway.say(device, GLUCOSE, DANGER_MG_DL, danger=True)
        while number * plan["every_s"] / len(gateways) <= now + plan["lead_s"]:
            gateway = gateways[number % len(gateways)]
            gateway.say(gateway.own["monitor"], PULSE)
            number += 1
        await asyncio.sleep(0.005)
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and any(one.acked is None for gateway in gateways for one in gateway.frames):
        await asyncio.sleep(0.02)


def _found(gateways: list[Gateway]) -> list[list[object]]:
    """Return device, when made, when acknowledged, and whether it told of danger, of each frame that counts."""
    return [
        [one.device, one.made, one.acked, one.danger]
        for gateway in gateways
        for one in gateway.frames
        if one.made >= gateway.counted_from
    ]


def main() -> None:
    """Play a plan for every line that is read."""
    while line := sys.stdin.readline():
        asyncio.run(play(json.loads(line)))


if __name__ == "__main__":
    main()
