"""Asks the store what it holds of a shared device, and takes out of a group what another path had told."""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from devices.errors import ReadingMetricUnknown
from devices.kinds.registry import by_code
from devices.telemetry import ReadingBatch, TelemetryStore
from devices.telemetry.paths import Past, without_copies


def sift(batch: ReadingBatch, shared: Set[int], store: TelemetryStore) -> ReadingBatch:
    """Return the group without what is kept already by another path. The caller holds the devices until it is stored.

    Raises StoreUnavailable.
    """
    past = Past(
        lambda device, metrics, t_from, t_to: store.history([device], metrics, t_from, t_to),
        store.waveforms,
        store.copies,
    )
    return without_copies(batch, np.array(sorted(shared), np.uint32), _period_s, past)


def _period_s(metric: int) -> float:
    try:
        return by_code(metric).period_s
    except ReadingMetricUnknown:
        return 0.0
