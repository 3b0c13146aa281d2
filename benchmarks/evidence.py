"""What the evidence of readings takes on disk, and how long the proof of one takes: `python -m benchmarks.evidence`.

Groups as busy gateways send them (80 frames of 20 readings) and as a quiet ward does (8 frames of one reading), in a
SQLite store of their own; sizes are those of the file with frames and without, in bytes per reading.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from compliance.measuring import Report, main
from devices.evidence.tree import leads_to, path_of, root_of
from devices.telemetry import READING, FrameGroup, ReadingBatch, group_frames
from devices.telemetry.sqlite import SqliteStore

SEALED_HEAD_BYTES, READING_BYTES, AROUND_BYTES = 18, 12, 36  # payload's head, one reading, header and tag
SHAPES = {"busy": (80, 20), "quiet": (8, 1)}  # frames in a group, readings in a frame
PROOF_FRAMES = 4096


def frames_of(count: int, readings: int) -> list[bytes]:
    """Return as many frames as long as real ones; sealed bytes do not compress, and neither do these."""
    size = AROUND_BYTES + SEALED_HEAD_BYTES + readings * READING_BYTES
    return [os.urandom(size) for _ in range(count)]


def batches(total: int, frames: int, readings: int, keep: bool) -> Iterator[ReadingBatch]:
    """Yield groups of some `total` readings in all, with their frames when `keep`."""
    for number in range(total // (frames * readings)):
        rows = np.zeros(frames * readings, READING)
        rows["device"] = np.repeat(np.arange(frames), readings)
        rows["seq"] = number * readings + np.tile(np.arange(readings), frames)
        rows["t"], rows["value"] = 1.7e9 + number, 72.0
        yield ReadingBatch(rows, received_at=1.7e9 + number, frames=_group(frames, readings) if keep else None)


def _group(frames: int, readings: int) -> FrameGroup:
    first, counts = np.zeros(frames, np.uint64), np.full(frames, readings, np.intp)
    return group_frames(frames_of(frames, readings), first, counts, [bytes(32)] * frames)


def stored_bytes(total: int, shape: tuple[int, int], keep: bool) -> float:
    """Return how large a store of so many readings is, in bytes per reading."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.sqlite3"
        store, written = SqliteStore(path), 0
        for batch in batches(total, *shape, keep):
            store.write(batch)
            written += len(batch.readings)
        store.close()  # the write-ahead log goes into the file
        return path.stat().st_size / written


def measure(report: Report, options: argparse.Namespace) -> None:
    """Fill the report."""
    for name, shape in SHAPES.items():
        total = (40_000 if options.quick else 400_000) if name == "busy" else (2_000 if options.quick else 20_000)
        alone, together = stored_bytes(total, shape, False), stored_bytes(total, shape, True)
        report.figure(f"{name}_readings_mb_per_million", round(alone, 1))
        report.figure(f"{name}_evidence_mb_per_million", round(together - alone, 1))
    leaves = [os.urandom(64) for _ in range(PROOF_FRAMES)]
    root, began = root_of(leaves), time.perf_counter()
    path = path_of(leaves, 1234)
    report.figure("proof_ms", round((time.perf_counter() - began) * 1000, 2))
    report.bar("proof_holds", float(leads_to(root, leaves[1234], 1234, len(leaves), path)), "==", 1)
    report.note("busy: groups of 80 frames of 20 readings; quiet: groups of 8 frames of one reading.")
    report.note(f"proof_ms: making the proof of one of {PROOF_FRAMES} frames under a root from their hashes.")


if __name__ == "__main__":
    main("Evidence of readings", measure)
