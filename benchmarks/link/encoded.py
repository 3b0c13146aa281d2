"""The bytes of one frame and its acknowledgement on every line, from the libraries that write them.

`python -m benchmarks.link encoded`. devices/energy/lines.py carries the figures as a table, from which the energy page
reckons; here stands how far the table is from what is written now.
"""

from __future__ import annotations

import socket
from typing import Any

import msgspec

from compliance.measuring import Report
from devices.energy.lines import LINES, MEASURED_FRAME_BYTES, RECORD_BYTES, Exchange
from devices.protocol.frames import join_frames
from devices.protocol.proof import prove_ack
from devices.protocol.sequence import floor_now
from devices.transport.address import ANSWERS, FRAMES, parse_address
from devices.transport.coap_address import FRAMES as COAP_FRAMES
from devices.transport.coap_address import ROOT, SEPARATOR, SESSION_BYTES

GATEWAY, DEVICE, COUNTER = 7, 8, 1_790_000_000_000  # counters begin at the time in milliseconds
BRIDGE, SESSION = "0badb1d0", bytes(32)
TCP_ACK = (0,)


def _frame() -> bytes:
    return join_frames([bytes(MEASURED_FRAME_BYTES)])


def _ack() -> bytes:
    return msgspec.json.encode({"type": "ack", "frames": [[DEVICE, COUNTER]]})


def websocket() -> Exchange:
    """Return what the library of WebSockets writes for a gateway, and what a server answers."""
    from websockets.frames import Frame, Opcode

    up = Frame(Opcode.BINARY, _frame()).serialize(mask=True)
    down = Frame(Opcode.TEXT, _ack()).serialize(mask=False)
    return Exchange(len(up) - MEASURED_FRAME_BYTES, (len(down),), TCP_ACK)


def mqtt() -> Exchange:
    """Return what paho writes: frames with QoS 1, the broker's PUBACK, and the bridge's proven acknowledgement."""
    address = parse_address("mqtt://broker")
    up = _published(address.topic(GATEWAY, f"{FRAMES}/{BRIDGE}"), _frame(), qos=1)
    proof = prove_ack(SESSION, [(DEVICE, COUNTER)], {DEVICE: bytes(16)})
    down = _published(address.topic(GATEWAY, ANSWERS), _ack(), qos=0, proof=proof)
    puback = 4  # MQTT 5, section 3.4: without reason or properties it is type, length and the packet's number
    return Exchange(len(up) - MEASURED_FRAME_BYTES, (puback, len(down)), TCP_ACK)


def _published(topic: str, payload: bytes, *, qos: int, proof: str = "") -> bytes:
    """Return what paho writes to its socket for one message."""
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    from devices.transport.broker import _properties

    client: Any = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client._sock = ours  # as after a connection
        client.publish(topic, payload, qos, False, _properties(SESSION, proof=proof))
        written = theirs.recv(1 << 16)
        client._sock = None
    return written


def coap(*, protected: bool) -> Exchange:
    """Return what aiocoap writes, in clear or under OSCORE, where a commit takes longer than an answer may wait."""
    import aiocoap

    request = aiocoap.Message(code=aiocoap.POST, payload=_frame())
    request.opt.uri_path = (ROOT, COAP_FRAMES)
    request.opt.uri_query = (f"s={SESSION[:SESSION_BYTES].hex()}",)
    response = aiocoap.Message(code=aiocoap.CONTENT, payload=_ack() + SEPARATOR)
    up, down = _protected(request, response) if protected else (_written(request), _written(response))
    empty = aiocoap.Message(code=aiocoap.EMPTY, _mtype=aiocoap.ACK, _mid=1).encode()
    return Exchange(len(up) - MEASURED_FRAME_BYTES, (len(empty), len(down)), (len(empty),))


def _written(message: Any) -> bytes:
    """Return a confirmable message with a token as long as the library's own."""
    from aiocoap import CON

    message.mtype, message.mid, message.token = CON, 1, b"tk"
    return bytes(message.encode())


class _Numbers:
    """Sequence numbers as long as those of today."""

    def take(self) -> int:
        return floor_now()


def _protected(request: Any, response: Any) -> tuple[bytes, bytes]:
    from aiocoap import Message

    from devices.transport.oscore import gateway_context, server_context

    gateway, server = (make(bytes(32), GATEWAY, _Numbers()) for make in (gateway_context, server_context))
    server.recipient_replay_window.initialize_empty()
    up = _written(gateway.protect(request)[0])
    opened = server.open_request(Message.decode(up))
    return up, _written(server.protect(response, opened.request_id)[0])


def encoded() -> dict[str, tuple[Exchange, Exchange]]:
    """Return line -> what it writes in clear and protected; TLS adds a record to each message (RFC 8446)."""
    return {
        "websocket": (websocket(), _in_records(websocket())),
        "mqtt": (mqtt(), _in_records(mqtt())),
        "coap": (coap(protected=False), coap(protected=True)),
    }


def _in_records(plain: Exchange) -> Exchange:
    heard = tuple(size + RECORD_BYTES for size in plain.heard)
    return Exchange(plain.around + RECORD_BYTES, heard, plain.answered)


def measure(report: Report) -> None:
    """Fill the report."""
    for name, (plain, secured) in encoded().items():
        for word, found in (("plain", plain), ("secured", secured)):
            report.figure(f"{name}_{word}_around_a_frame_bytes", found.around)
            report.figure(f"{name}_{word}_heard_bytes", sum(found.heard))
        table = LINES[name]
        report.bar(f"{name}_is_as_the_table_says", float((plain, secured) == (table.plain, table.secured)), ">=", 1.0)
    report.note(
        f"One frame of {MEASURED_FRAME_BYTES} bytes and its acknowledgement; written by the lines' own libraries."
    )
    report.note("Secured: TLS 1.3 adds 22 bytes to each message (RFC 8446); OSCORE is written by the library.")
