"""The gateway as the process it is: killed, ended, asked for its state, and run without the server's packages."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from devices.gateway.queue import Batch, DiskQueue
from devices.gateway.queue_file import read_depth
from devices.protocol.frames import FrameKind, Header
from tests.devices.gateway.conftest import DEVICE_KEYS, PUBLIC
from tests.devices.gateway.server import Ward
from tests.patience import until

Write = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[3]
SERVER_ONLY = ["django", "channels", "celery", "torch", "dash", "sklearn", "scipy", "pydicom", "numba", "psycopg"]
COMMAND = [sys.executable, "-m", "devices.gateway", "--config"]


async def start(config: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*COMMAND, str(config), cwd=ROOT, stderr=asyncio.subprocess.DEVNULL)


def run(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, str(config), *options], cwd=ROOT, capture_output=True, text=True, check=False)


def next_seqs(config: Path) -> dict[int, int]:
    queue = DiskQueue(config.with_name("queue.sqlite3"), [])
    try:
        return queue.next_seqs()
    finally:
        queue.close()


@pytest.mark.process
async def test_kill_minus_nine_loses_no_reading_and_repeats_no_nonce(write_config: Write) -> None:
    chance = random.Random(5)

    def whim(header: Header, connection: int) -> str | None:
        # Acknowledges, keeps silent, hangs up: the process is killed with frames in every state.
        return chance.choice(["ack", "ack", None, "drop"]) if ward.whimsical else "ack"

    ward = Ward(DEVICE_KEYS, PUBLIC, whim)
    ward.whimsical = True  # type: ignore[attr-defined]
    async with ward.open():
        config = write_config(port=ward.port, interval_s=0.02, options={"count": 3, "ecg": True})
        for life in range(1, 5):
            seen = len(ward.seen)
            gateway = await start(config)
            await until(lambda seen=seen: len(ward.seen) > seen + 40)
            await asyncio.sleep(chance.uniform(0, 0.1))
            gateway.send_signal(signal.SIGKILL)
            assert await gateway.wait() == -signal.SIGKILL, f"life {life} ended before it was killed"
        made = next_seqs(config)
        ward.whimsical = False  # type: ignore[attr-defined]
        gateway = await start(config)
        first = {device: min(seq for number, seq in ward.seen if number == device) for device in made}
        # What is urgent overtakes what is not, so the last reading's arrival says nothing of the others.
        await until(lambda: all((d, seq) in ward.acked for d, end in made.items() for seq in range(first[d], end)))
        gateway.terminate()
        assert await gateway.wait() == 0
    assert len(ward.counters) == len(set(ward.counters))
    for device, end in made.items():
        seqs = {seq for number, seq in ward.acked if number == device and seq < end}
        assert len(seqs) > 100
        assert seqs == set(range(min(seqs), end))


@pytest.mark.process
async def test_sigterm_ends_cleanly_and_keeps_what_was_not_acknowledged(write_config: Write) -> None:
    async with Ward(DEVICE_KEYS, PUBLIC, lambda *_: None).open() as ward:
        config = write_config(port=ward.port, interval_s=0.05)
        gateway = await start(config)
        await until(lambda: len(ward.seen) > 12)
        gateway.terminate()
        async with asyncio.timeout(60):
            assert await gateway.wait() == 0
    made = next_seqs(config)
    queue = DiskQueue(config.with_name("queue.sqlite3"), [])
    kinds = Counter(batch.kind for batch in queue.after(0, 100_000))
    queue.close()
    queued = kinds[FrameKind.READINGS] * 3
    assert queued == sum(end - min(s for d, s in ward.seen if d == device) for device, end in made.items())


def test_status_and_revive_speak_of_the_queue(write_config: Write) -> None:
    config = write_config()
    queue = DiskQueue(config.with_name("queue.sqlite3"), [7])
    queue.append([Batch(7, FrameKind.READINGS, b"x"), Batch(7, FrameKind.READINGS, b"y")], {})
    queue.bury(1, "frame_forged", "wrong key")
    queue.close()
    waiting, dead, dropped, *classes, disk = run(config, "--status").stdout.splitlines()
    assert re.fullmatch(r"waiting 1 batches, the oldest for \d+ s", waiting)
    assert (dead, dropped) == ("dead letters 1", "dropped 0")
    assert [line.split(":")[0] for line in classes] == ["dose", "alarm", "urgent", "telemetry", "bulk"]
    assert re.fullmatch(r"disk \d+\.\d of 256 MiB", disk)
    assert run(config, "--revive").stdout == "put back 1 batches\n"
    assert "waiting 2 batches" in run(config, "--status").stdout


def test_unusable_configuration_gets_one_sentence(write_config: Write) -> None:
    for changes, words in (
        ({"server": "http://x"}, "must begin with ws://"),
        ({"plant": {"entry": "no.such:build"}}, "cannot be built"),
        ({"devices": [{"device_id": 7, "kind": "cgm", "key_hex": "00"}]}, "has 1 bytes instead of 16"),
        ({"queue": "no/such/folder"}, "cannot open the queue"),
    ):
        found = run(write_config(**changes))
        assert found.returncode == 2
        assert words in found.stderr.splitlines()[-1]


def test_gateway_needs_none_of_the_servers_packages(write_config: Write) -> None:
    """A small computer has only the `gateway` extra: cryptography, msgspec, numpy, websockets."""
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({SERVER_ONLY!r}))\n"
        "import asyncio\nfrom pathlib import Path\n"
        "from devices.gateway.agent import Agent\nfrom devices.gateway.config import load\n"
        "async def main():\n"
        "    agent = Agent(load(Path(sys.argv[1])))\n"
        "    running = asyncio.create_task(agent.run())\n"
        "    async with asyncio.timeout(60):\n"
        "        while agent.queue.depth().waiting <= 2:\n"
        "            await asyncio.sleep(0.01)\n"
        "    agent.stop()\n"
        "    await running\n"
        "asyncio.run(main())\n"
    )
    config = write_config(interval_s=0.05)
    done = subprocess.run(
        [sys.executable, "-c", program, str(config)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert read_depth(config.with_name("queue.sqlite3"), time.time(), 1 << 20).waiting > 2
