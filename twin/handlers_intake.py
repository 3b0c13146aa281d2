"""Facts about medication: pillbox readings become intakes, and open pages learn of what changed."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from compliance.models import Patient
from compliance.signals import dose_missed, intake_recorded, intake_withdrawn, orders_changed, risk_recomputed
from devices.signals import readings_received
from devices.telemetry.batch import ReadingBatch
from twin.services.live import publish_notice
from twin.services.pillbox import pillbox_watch


def connect() -> None:
    """Connect; receivers live as long as the process."""
    readings_received.connect(_watch_pillboxes, dispatch_uid="intake")
    for signal in (dose_missed, intake_recorded, intake_withdrawn, orders_changed, risk_recomputed):
        signal.connect(_refresh_panel, dispatch_uid="intake")


def _watch_pillboxes(sender: object, batch: ReadingBatch, **_: Any) -> None:
    pillbox_watch.receive(batch)


def _refresh_panel(sender: object, patient: Patient, **_: Any) -> None:
    transaction.on_commit(partial(publish_notice, patient.pk, "medication"))
