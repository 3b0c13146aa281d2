"""Committed readings go to open pages."""

from __future__ import annotations

from typing import Any

from devices.signals import readings_accepted
from devices.telemetry import ReadingBatch
from twin.services.live import publish_batch


def connect() -> None:
    """Connect; the receiver lives as long as the process."""
    readings_accepted.connect(_publish, dispatch_uid="live")


def _publish(sender: object, batch: ReadingBatch, **_: Any) -> None:
    publish_batch(batch)
