"""How long what was open stays open after the right to it ended: `python -m benchmarks.revocation`.

Two web processes on one database and one broker. A right is taken away in the one (an administrator's request over
HTTP, a gateway's row changed by a third process, or nothing but the clock) and a real socket closes in the other.
SQLite with the embedded broker, and PostgreSQL with Redis where they are there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common.database import fresh_database
from benchmarks.ingest.processes import DEFAULT_POSTGRES
from benchmarks.revocation.house import LIMIT_S, Ways, two_servers
from compliance.measuring import Absent, Report, main

ROUNDS, QUICK_ROUNDS = 50, 10
NOTES = (
    "Seconds from the moment the right ends (the request is sent, the row is changed, the hour strikes) to the close.",
    "Each round opens a socket of its own in the process that is not told; p99 of so few rounds is their worst.",
)


def measure_here(report: Report, engine: str, ways: Ways, rounds: int) -> None:
    """Measure every way on the engine that Django is set up on."""
    for name, way in ways.all().items():
        found = sorted(way(rounds))
        report.figure(f"{engine}_{name}_p50_s", round(statistics.median(found), 3))
        report.bar(f"{engine}_{name}_p99_s", round(found[-1], 3), "<", LIMIT_S)


def measure(report: Report, options: argparse.Namespace) -> None:
    """Fill the report: the engine that was named, or both, each in a process of its own."""
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    if options.engine:
        home = Path(tempfile.mkdtemp(prefix="medtwin-revoke-"))
        url = os.environ["BENCH_POSTGRES_URL"] if options.engine == "postgresql" else ""
        try:
            with fresh_database(home, url) as engine, two_servers(home, engine) as ways:
                measure_here(report, "postgres" if url else engine, ways, rounds)
        finally:
            shutil.rmtree(home, ignore_errors=True)
        return
    for engine in ("sqlite", "postgresql"):
        _in_a_process(report, engine, options.quick)
    for sentence in NOTES:
        report.note(sentence)


def _in_a_process(report: Report, engine: str, quick: bool) -> None:
    """Django is set up once in a process: let another measure, and take its figures over."""
    environment = dict(os.environ)
    postgres = next(
        (url for name in ("BENCH_POSTGRES_URL", "DATABASE_URL") if (url := environment.pop(name, ""))), DEFAULT_POSTGRES
    )
    if engine == "sqlite":
        environment.pop("REDIS_URL", None)
    else:
        if not _answers(postgres):
            report.note("Not measured: PostgreSQL (BENCH_POSTGRES_URL) and Redis (REDIS_URL).")
            return
        environment["BENCH_POSTGRES_URL"] = postgres
    command = [sys.executable, "-m", "benchmarks.revocation", "--json", "--engine", engine, *["--quick"][: int(quick)]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise Absent(f"a run on {engine}: {done.stderr[-600:]}") from error
    for name, value in found["figures"].items():
        report.figure(name, value)
    for bar in found["bars"]:
        report.bar(bar["name"], bar["value"], bar["op"], bar["bar"])


def _answers(url: str) -> bool:
    import psycopg
    import redis

    try:
        with psycopg.connect(url, connect_timeout=3):
            return bool(redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")).ping())
    except (psycopg.OperationalError, redis.RedisError):
        return False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="", help="measure this one, in here")


if __name__ == "__main__":
    main("Revocation: from the end of a right to a closed socket", measure, _arguments)
