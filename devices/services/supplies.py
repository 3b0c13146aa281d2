"""Reads what a forecast of supplies needs from the telemetry store."""

from __future__ import annotations

from datetime import datetime

from devices.kinds.registry import KINDS
from devices.models import Device
from devices.selectors.supplies import LOOK_BACK, MOST_POINTS, Supply, levels_of, supplies
from devices.selectors.worn import moment_of, worn_since
from devices.services.telemetry import store


def supplies_of(device: Device, now: datetime) -> list[Supply]:
    """Return what runs out on a device, from what it said since it came to who has it now.

    Raises StoreUnavailable.
    """
    kind = KINDS.get(device.kind)
    codes = [measurement.code for measurement in levels_of(kind)] if kind else []
    if kind is None or not codes:
        return []
    since = max(worn_since([device.pk]).get(device.pk, 0.0), (now - LOOK_BACK).timestamp())
    rows = store().history([device.pk], codes, since, now.timestamp() + 1.0, MOST_POINTS)
    return supplies(kind, [row for row in rows if moment_of(row.t, row.received) >= since])
