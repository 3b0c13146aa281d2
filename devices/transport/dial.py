"""Opens the line that a gateway's configuration asks for: a WebSocket, or MQTT 5 through a broker."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from websockets.asyncio.client import connect

from devices.transport.address import MQTT_SCHEMES, parse_address
from devices.transport.broker import require_library
from devices.transport.line import Line
from devices.transport.mqtt import MAX_ANSWER_BYTES, open_mqtt

SCHEMES = ("ws://", "wss://", *MQTT_SCHEMES)
OPEN_WITHIN_S = 5.0


def check_server(server: str) -> None:
    """Return when lines to this address can be opened here. Raises AddressWrong or LibraryMissing."""
    if server.startswith(MQTT_SCHEMES):
        parse_address(server)
        require_library()


def dial(
    server: str, *, gateway_id: int, keys: Mapping[int, bytes], tls: ssl.SSLContext | None
) -> AbstractAsyncContextManager[Line]:
    """Return a line that opens on entering and closes on leaving.

    keys: device id -> 16-byte frame key, by which the server proves its acknowledgements where a broker is between.
    """
    if server.startswith(MQTT_SCHEMES):
        return open_mqtt(parse_address(server), gateway_id=gateway_id, keys=keys, tls=tls)
    return _open_websocket(server, tls)


@asynccontextmanager
async def _open_websocket(server: str, tls: ssl.SSLContext | None) -> AsyncIterator[Line]:
    async with connect(
        server, ssl=tls, compression=None, proxy=None, max_size=MAX_ANSWER_BYTES, open_timeout=OPEN_WITHIN_S
    ) as socket:
        yield socket
