"""Opens the line that a gateway's configuration asks for: a WebSocket, MQTT 5 through a broker, or CoAP over UDP."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from websockets.asyncio.client import connect

from devices.protocol.sequence import NumberFile
from devices.transport.address import MQTT_SCHEMES, parse_address
from devices.transport.broker import require_library
from devices.transport.coap_address import COAP_SCHEME, CoapAddressWrong, parse_coap, require_coap
from devices.transport.line import Line
from devices.transport.mqtt import MAX_ANSWER_BYTES, open_mqtt

SCHEMES = ("ws://", "wss://", *MQTT_SCHEMES, COAP_SCHEME)
OPEN_WITHIN_S = 5.0


class CoapKeys(NamedTuple):
    """What OSCORE needs. secret: 32 bytes. numbers: the file that keeps which sequence numbers were used."""

    secret: bytes
    numbers: Path


def check_server(server: str) -> None:
    """Return when lines to this address can be opened here. Raises a DomainError that says what is wrong or missing."""
    if server.startswith(MQTT_SCHEMES):
        parse_address(server)
        require_library()
    elif server.startswith(COAP_SCHEME):
        parse_coap(server)
        require_coap()


def dial(
    server: str,
    *,
    gateway_id: int,
    keys: Mapping[int, bytes],
    tls: ssl.SSLContext | None,
    coap: CoapKeys | None = None,
) -> AbstractAsyncContextManager[Line]:
    """Return a line that opens on entering and closes on leaving.

    keys: device id -> 16-byte frame key, by which the server proves its acknowledgements where a broker is between.
    coap: for coap:// alone.
    """
    if server.startswith(MQTT_SCHEMES):
        return open_mqtt(parse_address(server), gateway_id=gateway_id, keys=keys, tls=tls)
    if server.startswith(COAP_SCHEME):
        from devices.transport.coap import open_coap  # needs aiocoap

        if coap is None:
            raise CoapAddressWrong("coap:// needs the gateway's secret for CoAP.")
        numbers = NumberFile(coap.numbers)
        return open_coap(parse_coap(server), gateway_id=gateway_id, secret=coap.secret, numbers=numbers)
    return _open_websocket(server, tls)


@asynccontextmanager
async def _open_websocket(server: str, tls: ssl.SSLContext | None) -> AsyncIterator[Line]:
    async with connect(
        server, ssl=tls, compression=None, proxy=None, max_size=MAX_ANSWER_BYTES, open_timeout=OPEN_WITHIN_S
    ) as socket:
        yield socket
