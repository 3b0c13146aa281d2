"""Committed readings go to open pages, and pages close when the right to see them ends."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from compliance.signals import access_narrowed
from devices.signals import device_moved, readings_accepted
from devices.telemetry import ReadingBatch
from twin.services.live import publish_batch, publish_moved, publish_narrowed


def connect() -> None:
    """Connect; the receiver lives as long as the process."""
    readings_accepted.connect(_publish, dispatch_uid="live")
    device_moved.connect(_move, dispatch_uid="live.moved")
    access_narrowed.connect(_narrow, dispatch_uid="live.narrowed")


def _narrow(sender: object, user_ids: list[int], **_: Any) -> None:
    transaction.on_commit(lambda: publish_narrowed(user_ids))


def _move(sender: object, device_id: int, **_: Any) -> None:
    publish_moved(device_id)


def _publish(sender: object, batch: ReadingBatch, **_: Any) -> None:
    publish_batch(batch)
