"""What evidence costs: `python -m benchmarks.log`.

On a tree of a million leaves: how many records a second become durable and provable, how long one proof takes, and how
much longer a nurse's act takes because it is committed to. SQLite, and PostgreSQL where it is reachable.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.ingest.processes import DEFAULT_POSTGRES
from benchmarks.log.engine import LEAVES
from compliance.measuring import Absent, Report, main

ROOT = Path(__file__).resolve().parents[2]
APPENDS, QUICK_APPENDS = 60_000, 20_000
PAIRS, QUICK_PAIRS = 1000, 200


def measured(url: str, quick: bool) -> dict[str, Any]:
    """Return one engine's figures. Raises Absent when the engine is not reachable."""
    counts = [str(QUICK_APPENDS if quick else APPENDS), str(QUICK_PAIRS if quick else PAIRS)]
    command = [sys.executable, "-m", "benchmarks.log.engine", url, *counts]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Absent(f"{url or 'SQLite'}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def keep(report: Report, found: dict[str, Any]) -> None:
    """Keep one engine's figures and bars."""
    name = found["engine"]
    report.figure(f"{name}_tree_built_s", round(found["filled_s"], 1))
    report.figure(f"{name}_act_ms", round(found["act_ms"], 2))
    report.bar(f"{name}_appends_per_s", found["appends_per_s"], ">=", 5000)
    report.bar(f"{name}_proof_ms", found["proof_ms"], "<", 5)
    report.bar(f"{name}_act_with_log_over_without", found["act_ratio"], "<", 1.10)


def measure(report: Report, _options: argparse.Namespace) -> None:
    """Run on every engine that is there."""
    report.figure("leaves", LEAVES)
    keep(report, measured("", report.quick))
    url = os.environ.get("BENCH_POSTGRES_URL") or os.environ.get("DATABASE_URL") or DEFAULT_POSTGRES
    try:
        keep(report, measured(url, report.quick))
    except Absent as missing:
        report.note(f"Not measured: {missing}.")
    report.note(
        "Appends: in transactions of 500, each durable, the sequencer between them; until the last is under a head."
    )
    report.note("The act is snoozing an alarm, on disk; with the log and without in turns, medians compared.")
    report.note("The million leaves' commitments are made up; the tree over them, its tiles and its head are not.")


if __name__ == "__main__":
    main("Log: records committed to, proved and watched", measure)
