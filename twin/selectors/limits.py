"""Reads of alarm limits."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from compliance.models import Patient
from devices.kinds.registry import KINDS
from devices.models import Device
from twin.alerts.defaults import DEFAULT_LIMITS
from twin.alerts.limits import Limit, LimitKey, Setting, Side, with_settings
from twin.alerts.priority import Priority
from twin.models import AlertLimit


def settings_by_patient() -> dict[UUID | None, list[Setting]]:
    """Return every limit that somebody set, by patient; None is the house."""
    found: dict[UUID | None, list[Setting]] = defaultdict(list)
    for row in AlertLimit.objects.all():
        found[row.patient_id].append(_setting(row))
    return found


def own_settings(patient: Patient) -> dict[LimitKey, Setting]:
    """Return the patient's own limits."""
    return {setting.key: setting for setting in map(_setting, AlertLimit.objects.filter(patient=patient))}


def house_limits() -> tuple[Limit, ...]:
    """Return the limits of everybody who has no own ones."""
    return with_settings(DEFAULT_LIMITS, map(_setting, AlertLimit.objects.filter(patient__isnull=True)))


def limits_shown(patient: Patient) -> list[Limit]:
    """Return the house's limits for what the patient's devices measure; all of them when there is no device yet."""
    settable = [limit for limit in house_limits() if limit.side is not Side.EQUAL]
    kinds = set(Device.objects.filter(patient=patient).values_list("kind", flat=True))
    measured = {measurement.key for kind in kinds if kind in KINDS for measurement in KINDS[kind].measurements}
    measured |= {key.metric for key in own_settings(patient)}
    return [limit for limit in settable if limit.metric in measured] or settable


def _setting(row: AlertLimit) -> Setting:
    return Setting(LimitKey(row.metric, Side(row.side), Priority(row.priority)), row.bound, row.delay_s)
