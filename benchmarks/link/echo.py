"""A bare echo on loopback, the yardstick of the lines: `python -m benchmarks.link.echo PORT`, ended by a signal.

What comes, goes back: as long frames, as many connections and as many frames on their way as the lines have, but no
seal is opened and nothing is stored. How much slower a line is says what its work costs on this machine.
"""

from __future__ import annotations

import asyncio
import sys


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _serve(port: int) -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
