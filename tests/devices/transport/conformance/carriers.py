"""The three transports under test: each a real server on a free port, behind a network that can fail."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.db import database_sync_to_async
from django.core.management import call_command
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from devices.protocol.frames import join_frames
from devices.protocol.hello import make_hello
from devices.transport.dial import CoapKeys, dial
from tests.devices.transport.conformance.network import DatagramNetwork, Network, StreamNetwork
from tests.system.conftest import free_port

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") or "mosquitto"
PATIENCE_S = 60.0  # on a busy machine
GATEWAY_PATH = "/ws/gateway/"


@dataclass
class ToyGateway:
    """A registered gateway that says what a test wants said. secret: for CoAP."""

    id: int
    key: Any
    folder: Path
    secret: bytes = bytes(32)
    keys: dict[int, bytes] = field(default_factory=dict)

    def coap_keys(self) -> CoapKeys:
        return CoapKeys(self.secret, self.folder / f"{self.id}.numbers")


class Talk:
    """A line on which a test speaks word by word."""

    def __init__(self, line: Any, gateway: ToyGateway, carrier: Carrier) -> None:
        self.line, self.gateway, self.carrier = line, gateway, carrier
        self._asked = ""  # the newest challenge

    async def hear(self, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """Return the next message. A challenge said again, as over MQTT to who said again that it is there, is none."""
        async with asyncio.timeout(within_s):
            while True:
                said = dict(json.loads(await self.line.recv()))
                if said["type"] != "challenge":
                    return said
                if said["nonce"] != self._asked:
                    self._asked = said["nonce"]
                    return said

    async def hello(self, challenge: dict[str, Any], **changes: Any) -> None:
        said = make_hello(challenge, gateway_id=self.gateway.id, software="toy", key=self.gateway.key)  # type: ignore[arg-type]
        await self.line.send(json.dumps(said | changes))

    async def greet(self) -> Talk:
        """Be let in."""
        said = await self.hear()
        assert said["type"] == "challenge"
        while said["type"] == "challenge":  # another bridge may have heard that we are here, too
            await self.hello(said)
            said = await self.hear()
        assert said["type"] == "welcome", said
        return self

    async def send(self, *frames: bytes) -> None:
        await self.line.send(join_frames(frames))

    async def raw(self, message: bytes) -> None:
        await self.carrier.send_raw(self.line, message)

    async def answers(self, frames: int) -> list[dict[str, Any]]:
        """Return what is said of so many frames, ack pairs one by one."""
        said: list[dict[str, Any]] = []
        while len(said) < frames:
            answer = await self.hear()
            if answer["type"] == "ack":
                said += [{"type": "ack", "device": device, "counter": counter} for device, counter in answer["frames"]]
            else:
                assert answer["type"] == "nack", answer
                said.append(answer)
        return said

    async def ended(self) -> dict[str, Any]:
        """Wait until the server says that this is over, or the line is; return its last words."""
        try:
            while True:
                said = await self.hear()
                if said["type"] in ("refused", "challenge"):
                    return said
        except TimeoutError:
            raise
        except (OSError, ConnectionClosed) as error:
            return {"type": "closed", "message": str(error)}


class Carrier:
    """A transport. Gateways reach the server at `url`, which leads through `network`."""

    name = ""
    network: Network

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._serving: AsyncExitStack | None = None

    url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Carrier]:
        async with self.carrying():
            await self.start_server()
            yield self
            await self.stop_server()

    @asynccontextmanager
    async def carrying(self) -> AsyncIterator[None]:
        """Run what is between gateway and server."""
        async with self.network:
            yield

    async def start_server(self) -> None:
        self._serving = AsyncExitStack()
        await self._serving.enter_async_context(self.serving())

    async def stop_server(self) -> None:
        from devices.services.ingest import stop_ingest

        if self._serving is not None:
            serving, self._serving = self._serving, None
            await serving.aclose()
        await asyncio.to_thread(stop_ingest)

    def serving(self) -> contextlib.AbstractAsyncContextManager[None]:
        raise NotImplementedError

    async def restart_carrier(self) -> None:
        """Kill what carries, and bring it back: here the network itself."""
        await self.network.restart()

    async def send_raw(self, line: Any, message: bytes) -> None:
        await line.send(message)

    @asynccontextmanager
    async def talk(self, gateway: ToyGateway) -> AsyncIterator[Talk]:
        async with dial(self.url, gateway_id=gateway.id, keys=gateway.keys, tls=None, coap=gateway.coap_keys()) as line:
            yield Talk(line, gateway, self)

    def config(self, gateway: ToyGateway) -> dict[str, Any]:
        """What a gateway's configuration says of this transport."""
        return {"server": self.url}


class WebSocketCarrier(Carrier):
    """The application of twin/asgi.py, behind a server of WebSockets."""

    name = "websocket"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = free_port()
        self.network = StreamNetwork(self._port)

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"ws://127.0.0.1:{self.network.port}{GATEWAY_PATH}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:  # type: ignore[override]
        async with serve(_meet, "127.0.0.1", self._port, max_size=1 << 20, compression=None) as server:
            yield
            server.close(close_connections=False)
            for connection in list(server.connections):
                connection.transport.abort()


async def _meet(socket: ServerConnection) -> None:
    """Translate between a real socket and an ASGI application."""
    from twin.asgi import application

    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    events.put_nowait({"type": "websocket.connect"})

    async def listen() -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                kind = "text" if isinstance(message, str) else "bytes"
                events.put_nowait({"type": "websocket.receive", "text": None, "bytes": None, kind: message})
        events.put_nowait({"type": "websocket.disconnect", "code": socket.close_code or 1006})

    async def send(event: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionClosed):
            if event["type"] == "websocket.send":
                await socket.send(event.get("text") or event["bytes"])
            elif event["type"] == "websocket.close":
                await socket.close(event.get("code", 1000), event.get("reason", ""))

    scope = {"type": "websocket", "path": GATEWAY_PATH, "headers": [], "query_string": b"", "subprotocols": []}
    listening = asyncio.create_task(listen())
    try:
        await application(scope, events.get, send)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


class MqttCarrier(Carrier):
    """A Mosquitto of the test's own, and the bridge."""

    name = "mqtt"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = free_port()
        self.network = StreamNetwork(self._port)
        self._broker: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"mqtt://127.0.0.1:{self.network.port}"

    @asynccontextmanager
    async def carrying(self) -> AsyncIterator[None]:
        await self._start_broker()
        try:
            async with self.network:
                yield
        finally:
            self._kill_broker()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:  # type: ignore[override]
        async with self.serving_too():
            yield

    @asynccontextmanager
    async def serving_too(self) -> AsyncIterator[asyncio.Event]:
        """Run a bridge, which may be one of several; yield what stops it."""
        from devices.services import mqtt_serving
        from devices.transport.address import parse_address

        stop = asyncio.Event()
        url, tls = self._bridge
        work = asyncio.create_task(mqtt_serving.serve(parse_address(url), stop, tls))
        try:
            yield stop
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE_S):
                await work

    @property
    def _bridge(self) -> tuple[str, ssl.SSLContext | None]:
        """Where the bridge finds the broker, and its TLS: not through the bad network, which is the gateway's."""
        return f"mqtt://127.0.0.1:{self._port}", None

    async def restart_carrier(self) -> None:
        self._kill_broker()
        await self._start_broker()

    async def _start_broker(self) -> None:
        await self._run_broker([f"listener {self._port} 127.0.0.1", "allow_anonymous true"])

    async def _run_broker(self, lines: list[str]) -> None:
        config = self.folder / "mosquitto.conf"
        # Started by root it would become somebody who cannot read these files.
        config.write_text("\n".join([*lines, f"user {getpass.getuser()}"]) + "\n")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._broker = subprocess.Popen([MOSQUITTO, "-c", config], stdout=log, stderr=log)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(0.05)

    def _kill_broker(self) -> None:
        if self._broker is not None:
            self._broker.kill()
            self._broker.wait()
            self._broker = None


class MqttsCarrier(MqttCarrier):
    """The same with TLS: broker, bridge and gateways know each other by certificates of the house's own authority."""

    name = "mqtts"

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"mqtts://127.0.0.1:{self.network.port}"

    @property
    def files(self) -> Path:
        return self.folder / "broker"

    @property
    def _bridge(self) -> tuple[str, ssl.SSLContext | None]:
        tls = ssl.create_default_context(cafile=self.files / "ca.pem")
        tls.load_cert_chain(self.files / "bridge-1.pem", self.files / "bridge-1.key")
        return f"mqtts://127.0.0.1:{self._port}", tls

    async def _start_broker(self) -> None:
        url = f"mqtts://127.0.0.1:{self._port}"
        await in_database(lambda: call_command("mosquitto_files", str(self.files), url=url, listen="127.0.0.1"))
        await self._run_broker((self.files / "mosquitto.conf").read_text().splitlines())


class CoapCarrier(Carrier):
    """The CoAP server on its own UDP port."""

    name = "coap"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = 0
        self.network = DatagramNetwork()

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"coap://127.0.0.1:{self.network.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:  # type: ignore[override]
        from devices.services.coap_serving import listening

        async with listening("127.0.0.1", self._port) as port:
            self._port = self.network.target = port
            yield

    async def send_raw(self, line: Any, message: bytes) -> None:
        line._start(line._post(message))  # as one message, however long: `send` divides it among datagrams
        await line._room.acquire()

    def config(self, gateway: ToyGateway) -> dict[str, Any]:
        path = self.folder / f"coap-{gateway.id}.secret"
        path.write_text(gateway.secret.hex())
        return {"server": self.url, "coap_secret_file": str(path)}


CARRIERS = {carrier.name: carrier for carrier in (WebSocketCarrier, MqttCarrier, MqttsCarrier, CoapCarrier)}


async def in_database(work: Any) -> Any:
    return await database_sync_to_async(work)()
