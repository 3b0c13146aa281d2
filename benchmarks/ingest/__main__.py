"""How many sealed readings a second become durable, and what they cost: `python -m benchmarks.ingest`.

Three processes on loopback: the server (the real ASGI application under Daphne: frames are opened, judged, checked
against the alarm limits, committed, merged into twin state and published), a broker, and the load (100 gateways of 5
devices, 4 frames of 20 readings outstanding each). What the server could do at most is measured in the same run, under
the same server, by two null writers that write nothing and by a bare WebSocket echo; see `benchmarks.ingest.limits`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ingest.processes import (
    DEVICES_EACH,
    GATEWAYS,
    IDLE_GATEWAYS,
    TWINS,
    Bench,
    Load,
    Server,
    postgres_schema,
)
from compliance.measuring import Absent, Report, main

STUCK_VIEWERS = 20
PACED_RATE, PACED_S, QUICK_PACED_S = 20_000, 2.5, 1.5
FRAMES, QUICK_FRAMES = 600, 40
READINGS = 20
ROUNDS = 3
LIMITS = {"echo": "/echo/", "ack_only": "/ack/", "null_writer": "/null/"}
NOTES = (
    f"Rates are the best and paced delays the median of {ROUNDS} rounds, the first half second of a paced one apart.",
    f"{GATEWAYS} gateways x {DEVICES_EACH} devices, 4 frames of 20 readings outstanding each; the load runs beside.",
    "null_writer opens, decodes and acknowledges frames, and writes nothing: what storing is compared with.",
    "ack_only acknowledges frames without opening them: the gateway's socket and the queue alone. No bar is set on it.",
    "paced_null_writer has no database behind it: its p99 is what the machine's other work costs any answer.",
)


def best(load: Load, frames: int) -> dict[str, float]:
    """Return the fastest of three rounds: on a shared machine the slower ones measure the neighbours."""
    load.play(frames // 3)  # fill caches, prepare statements
    return max((load.play(frames) for _ in range(ROUNDS)), key=lambda found: found["rate"])


def paced(load: Load, quick: bool, count: int = ROUNDS) -> dict[str, float]:
    """Return the median of `count` rounds at 20,000 readings a second."""
    frames = round((QUICK_PACED_S if quick else PACED_S) * PACED_RATE / READINGS / GATEWAYS)
    rounds = [load.play(frames, PACED_RATE) for _ in range(count)]
    return sorted(rounds, key=lambda found: found["p99_ms"])[count // 2]


def keep(report: Report, name: str, figures: dict[str, float]) -> None:
    """Keep the figures of one run."""
    report.figure(f"{name}_readings_per_s", round(figures["rate"]))
    report.figure(f"{name}_ack_p50_ms", round(figures["p50_ms"], 2))
    report.figure(f"{name}_ack_p99_ms", round(figures["p99_ms"], 2))
    report.figure(f"{name}_cpu_us_per_reading", round(figures["cpu_us"], 2))


def measure_limits(report: Report, bench: Bench, frames: int) -> dict[str, float]:
    """Measure what does less than the real path, all in one server; return the readings a second of each."""
    rates = {}
    with bench.server("benchmarks.ingest.limits:application") as server:
        for name, path in LIMITS.items():
            with server.load(bench.gateways, path) as load:
                full = best(load, frames)
                if name == "null_writer":
                    keep(report, "paced_null_writer", paced(load, report.quick, 1))
            keep(report, name, full)
            rates[name] = full["rate"]
    return rates


def measure_engine(report: Report, bench: Bench, name: str, url: str, frames: int) -> float:
    """Measure the real path on one engine and return its readings a second."""
    with bench.server("twin.asgi:application", TELEMETRY_URL=url) as server:
        with server.load(bench.gateways) as load:
            full = best(load, frames)
            slow = paced(load, report.quick)
        keep(report, name, full)
        report.figure(f"{name}_resident_mib", server.resident_kib() // 1024)
        keep(report, f"{name}_paced", slow)
        report.bar(f"{name}_paced_p99_ms", slow["p99_ms"], "<", 30)
        report.bar(f"{name}_refused_frames", full["nacks"] + slow["nacks"], "==", 0)
        if name == "sqlite":
            measure_memory(report, bench, server)
        return full["rate"]


def compare(report: Report, name: str, rate: float, limits: dict[str, float], bar: float) -> None:
    """Keep how an engine's rate compares with the limits of the same run."""
    report.bar(f"{name}_ratio_to_null", rate / limits["null_writer"], ">=", bar)
    report.figure(f"{name}_ratio_to_ack_only", round(rate / limits["ack_only"], 3))
    report.figure(f"{name}_ratio_to_echo", round(rate / limits["echo"], 3))


def measure_memory(report: Report, bench: Bench, server: Server) -> None:
    """Measure idle gateways, viewers that stop reading, and 10,000 twins."""
    before = server.resident_kib()
    with server.load(bench.idle):
        time.sleep(1)
        report.bar("idle_gateway_kib", (server.resident_kib() - before) / IDLE_GATEWAYS, "<", 40)
    from benchmarks.ingest.viewers import stuck_viewers, unread_bytes

    watched = [{**bench.gateways[0], "devices": bench.gateways[0]["devices"][:1]}]
    before = server.resident_kib()
    with (
        server.load(watched) as load,
        stuck_viewers(server.port, STUCK_VIEWERS, watched[0]["devices"][0]["id"]) as viewers,
    ):
        load.play(1000, PACED_RATE // 2)  # 20,000 readings of the patient on the page: megabytes of JSON
        stuck = (server.resident_kib() - before) / STUCK_VIEWERS / 1024
        report.figure("stuck_viewer_sent_kib", min(map(unread_bytes, viewers)) // 1024)
    report.bar("stuck_viewer_mib", stuck, "<=", 1)
    bench.register_twins()
    time.sleep(2)
    with server.load(bench.twins) as load:
        load.play(TWINS // 10)
    report.bar("ten_thousand_twins_mib", server.resident_kib() / 1024, "<", 1024)


@contextmanager
def house(home: Path) -> Iterator[Bench]:
    """Yield a registry in a folder of its own, with a broker beside it."""
    for name in ("DATABASE_URL", "REDIS_URL", "TELEMETRY_URL"):
        if name == "DATABASE_URL" and os.environ.get(name):
            os.environ.setdefault("BENCH_POSTGRES_URL", os.environ[name])
        os.environ.pop(name, None)
    os.environ |= {"MEDTWIN_HOME": str(home), "DJANGO_SETTINGS_MODULE": "twin.settings", "MEDTWIN_LOG": "WARNING"}
    bench = Bench(home)
    bench.prepare()
    from django.conf import settings

    from twin.embedded import start_valkey

    broker = start_valkey(settings.VALKEY_SOCKET, home / "valkey")
    try:
        yield bench
    finally:
        broker.terminate()
        broker.wait(10)
        shutil.rmtree(home, ignore_errors=True)


def measure(report: Report, options: argparse.Namespace) -> None:
    """Run everything."""
    frames = QUICK_FRAMES if options.quick else FRAMES
    home = Path(tempfile.mkdtemp(prefix="medtwin-bench-"))
    with house(home) as bench:
        limits = measure_limits(report, bench, frames)
        sqlite = measure_engine(report, bench, "sqlite", f"sqlite:///{home / 'telemetry.sqlite3'}", frames)
        compare(report, "sqlite", sqlite, limits, 0.30)
        try:
            with postgres_schema() as url:
                postgres = measure_engine(report, bench, "postgres", url, frames)
            compare(report, "postgres", postgres, limits, 0.20)
        except Absent as missing:
            report.note(f"Not measured: {missing}.")
    for sentence in NOTES:
        report.note(sentence)


if __name__ == "__main__":
    main("Ingest: sealed readings to durable rows", measure)
