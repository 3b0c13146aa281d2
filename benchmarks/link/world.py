"""What is around the measured gateway: emulated peripherals, the controller that it uses, over TCP, and a server.

The server lets everybody in and acknowledges every frame unopened: its work is not what is measured. Prints the two
ports. `python -m benchmarks.link.world COUNT`, ended by a signal.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time

from bumble.keys import MemoryKeyStore
from bumble.transport.tcp_server import open_tcp_server_transport_with_socket
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.link.bluetooth import address, kind
from devices.bluetooth.air import Air
from devices.bluetooth.peripheral.device import EmulatedPeripheral, Identity
from devices.emulator.plant import Sample
from devices.kinds.registry import KINDS, by_key
from devices.protocol.frames import parse_header, split_frames

READS = {"infusion_pump": "infusion_rate", "vital_signs_monitor": "heart_rate"}


async def main(count: int) -> None:
    """Emulate devices until killed."""
    air = Air()
    devices = []
    for number in range(1, count + 1):
        host = air.device(f"device-{number}", address(number), MemoryKeyStore())
        device = EmulatedPeripheral(host, Identity(number, KINDS[kind(number)], f"BENCH-{number}"))
        await device.start()
        devices.append(device)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = await open_tcp_server_transport_with_socket(listener)
        air.controller("gateway", transport.source, transport.sink)
        async with serve(acknowledge, "127.0.0.1", 0) as server:
            print(listener.getsockname()[1], server.sockets[0].getsockname()[1], flush=True)
            while True:
                for device in devices:
                    key = READS[device.identity.kind.name]
                    device.measured(Sample(device.identity.device_id, by_key(key).code, time.time(), 61.0))
                await asyncio.sleep(1.0)


async def acknowledge(line: ServerConnection) -> None:
    """Be a server that has no doubts."""
    now = time.time()
    await line.send(json.dumps({"type": "challenge", "nonce": "00" * 32, "server_time": now}))
    await line.recv()
    await line.send(json.dumps({"type": "welcome", "credit": 32, "server_time": now}))
    async for message in line:
        if isinstance(message, bytes):
            headers = [parse_header(frame) for frame in split_frames(message)]
            await line.send(json.dumps({"type": "ack", "frames": [[one.device, one.counter] for one in headers]}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
