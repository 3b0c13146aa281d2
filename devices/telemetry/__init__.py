"""Telemetry: readings as arrays, and the store that keeps them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from devices.telemetry.batch import (
    READING,
    Copy,
    ReadingBatch,
    StoredWindow,
    Waveform,
    newest,
    newest_rows,
    series_keys,
)
from devices.telemetry.erasing import Aged, Worn
from devices.telemetry.frames import FrameGroup, Seal, StoredGroup, group_frames
from devices.telemetry.store import Reading, StoredCopy, TelemetryStore, Written

__all__ = [
    "READING",
    "Aged",
    "Copy",
    "FrameGroup",
    "Reading",
    "ReadingBatch",
    "Seal",
    "StoredCopy",
    "StoredGroup",
    "StoredWindow",
    "TelemetryStore",
    "Waveform",
    "Worn",
    "Written",
    "group_frames",
    "newest",
    "newest_rows",
    "open_store",
    "series_keys",
]


def open_store(url: str) -> TelemetryStore:
    """Return the store at `url`, sqlite:///path or postgresql://user@host/name. Nothing is opened before use."""
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        from devices.telemetry.sqlite import SqliteStore

        return SqliteStore(Path(url.removeprefix("sqlite:///")))
    if scheme in {"postgres", "postgresql"}:
        from devices.telemetry.postgres import PostgresStore

        return PostgresStore(url)
    raise ValueError(f"TELEMETRY_URL begins with '{scheme}': it must begin with sqlite:/// or postgresql://.")
