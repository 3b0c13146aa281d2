"""Readings and curves that are over age. Devices that somebody under a legal hold ever wore are left out whole."""

from __future__ import annotations

import logging
from datetime import datetime

from compliance.errors import ScheduleInvalid
from compliance.privacy.retention import Held, Kind, register_kinds
from compliance.selectors.retention import active_schedule, held_patients
from devices.selectors.worn import spans_of
from devices.services.telemetry import store
from devices.telemetry import Aged, TelemetryStore

log = logging.getLogger(__name__)


def register() -> None:
    """Tell the registry; called once from AppConfig.ready."""
    register_kinds(
        [
            Kind("readings", "Readings, in stretches of ten minutes of a device", _count_readings, _drop_readings),
            Kind("waveforms", "Blocks of curves", _count_waveforms, _drop_waveforms),
        ]
    )


def drop_old_waveforms(telemetry: TelemetryStore, now_s: float) -> None:
    """Drop curves that the schedule keeps no longer. Called every hour by whoever writes them: a day's are too many."""
    try:
        rule = active_schedule().rule("waveforms")
    except ScheduleInvalid as error:
        log.error("no curve is dropped: %s", error)
        return
    if rule is not None:
        telemetry.drop_waveforms_before(now_s - rule.keep_days * 86_400, _spared(held_patients()))


def _spared(held: Held) -> frozenset[int]:
    return frozenset(span.device for span in spans_of(held))


def _count_readings(before: datetime, held: Held) -> int:
    return store().count_aged(Aged.READINGS, before.timestamp(), _spared(held))


def _drop_readings(before: datetime, held: Held, limit: int) -> int:
    return store().drop_aged(Aged.READINGS, before.timestamp(), _spared(held), limit)


def _count_waveforms(before: datetime, held: Held) -> int:
    return store().count_aged(Aged.WAVEFORMS, before.timestamp(), _spared(held))


def _drop_waveforms(before: datetime, held: Held, limit: int) -> int:
    return store().drop_aged(Aged.WAVEFORMS, before.timestamp(), _spared(held), limit)
