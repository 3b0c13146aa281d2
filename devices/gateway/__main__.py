"""`python -m devices.gateway --config FILE [--status | --revive]`, and `python -m devices.gateway pair ADDRESS`.

The exit status is 2 when the configuration or the queue cannot be used; the sentence says why.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from pathlib import Path

from compliance.errors import DomainError
from devices.gateway.agent import Agent
from devices.gateway.config import GatewayConfig, load
from devices.gateway.queue import DiskQueue
from devices.gateway.queue_file import read_depth


def main() -> int:
    """Run the agent, pair it, say how full its queue is, or put its dead letters back."""
    if sys.argv[1:2] == ["pair"]:
        from devices.gateway.pair import main as pair_main  # a gateway at work has no use for it

        return pair_main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m devices.gateway", description="The Medtwin gateway agent.")
    parser.add_argument("--config", type=Path, required=True, help="the gateway's JSON file")
    task = parser.add_mutually_exclusive_group()
    task.add_argument("--status", action="store_true", help="print how full the queue is, and end")
    task.add_argument("--revive", action="store_true", help="put the dead letters back into the queue, and end")
    options = parser.parse_args()
    # Key=value lines; a reading's value never stands in one.
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        config = load(options.config)
        if options.status:
            return _status(config)
        if options.revive:
            return _revive(config)
        asyncio.run(_run(config))
    except DomainError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return 2
    return 0


async def _run(config: GatewayConfig) -> None:
    await Agent(config).run()


def _status(config: GatewayConfig) -> int:
    depth = read_depth(config.path(config.queue), time.time(), config.max_queue_bytes)
    print(f"waiting {depth.waiting} batches, the oldest for {depth.oldest_s:.0f} s")
    print(f"dead letters {depth.dead}")
    print(f"dropped {depth.dropped}")
    for urgency, one in depth.classes.items():
        words = f"waiting {one.waiting}, the oldest for {one.oldest_s:.0f} s, dropped {one.dropped}"
        print(f"{urgency.name.lower()}: {words}")
    print(f"disk {depth.used_bytes / 2**20:.1f} of {config.max_queue_mb:g} MiB")
    if depth.doses_only:
        print("FULL: only dose events are taken")
    return 0


def _revive(config: GatewayConfig) -> int:
    queue = DiskQueue(config.path(config.queue), [], max_bytes=config.max_queue_bytes)
    try:
        print(f"put back {queue.revive()} batches")
    finally:
        queue.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
