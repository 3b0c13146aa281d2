"""Reads of alarm limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from compliance.models import Event, Patient
from devices.kinds.registry import KINDS
from devices.models import Device
from twin.alerts.defaults import DEFAULT_LIMITS
from twin.alerts.limits import Changed, Limit, LimitKey, Setting, Side, with_settings
from twin.alerts.priority import Priority
from twin.models import AlertLimit

LIMITS_SET = "limits_set"  # the code of the event that each change becomes
CHANGES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One change of a patient's limits, as its event tells it. who: a name, or empty where nobody is known any more.

    number: of the event. holds: whether everything that it set holds still, so that it can be undone.
    """

    number: int
    at: datetime
    who: str
    changed: Sequence[Changed]
    undoes: int | None
    holds: bool


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


def limits_of(device: Device) -> list[Limit]:
    """Return the house's limits for what a device measures, in the order of the house's table."""
    kind = KINDS.get(device.kind)
    measured = {measurement.key for measurement in kind.measurements} if kind is not None else set()
    return [limit for limit in house_limits() if limit.side is not Side.EQUAL and limit.metric in measured]


def changes_of(patient: Patient, limits: Sequence[Limit]) -> list[LimitChange]:
    """Return the last changes that touched one of these limits of a patient, newest first."""
    own, shown = own_settings(patient), {limit.key for limit in limits}
    events = Event.objects.filter(patient=patient, code=LIMITS_SET).select_related("user").order_by("-at", "-pk")
    found: list[LimitChange] = []
    for event in events.iterator(chunk_size=CHANGES_SHOWN):
        changed = [_changed(one) for one in event.detail["changes"]]
        if not shown & {one.key for one in changed}:
            continue
        holds = all(own.get(one.key) == one.after for one in changed)
        who = event.user.display_name if event.user is not None else ""
        found.append(LimitChange(event.pk, event.at, who, changed, event.detail.get("undoes"), holds))
        if len(found) == CHANGES_SHOWN:
            break
    return found


def _changed(told: dict[str, Any]) -> Changed:
    metric, side, priority = told["limit"].split()
    key = LimitKey(metric, Side(side), Priority(priority))
    before, after = (None if told[when] is None else Setting(key, *told[when]) for when in ("from", "to"))
    return Changed(key, before, after)


def _setting(row: AlertLimit) -> Setting:
    return Setting(LimitKey(row.metric, Side(row.side), Priority(row.priority)), row.bound, row.delay_s)
