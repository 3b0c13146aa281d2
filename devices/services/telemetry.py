"""The process-wide telemetry store that settings.TELEMETRY_URL names."""

from __future__ import annotations

import os
import threading

from django.conf import settings

from devices.telemetry import TelemetryStore, open_store

_opening = threading.Lock()
_opened: dict[tuple[str, int], TelemetryStore] = {}


def store() -> TelemetryStore:
    """Return this process's store. A forked worker gets one of its own: connections must not cross a fork."""
    key = (settings.TELEMETRY_URL, os.getpid())
    with _opening:
        if key not in _opened:
            _opened[key] = open_store(settings.TELEMETRY_URL)
        return _opened[key]


def close_store() -> bool:
    """Close this process's store, if it was opened; the next use opens it again."""
    with _opening:
        mine = [key for key in _opened if key[1] == os.getpid()]
        for key in mine:
            _opened.pop(key).close()
    return bool(mine)
