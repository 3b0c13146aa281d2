"""Checks every commit group against the limits, in the thread that writes readings.

What it concludes is stored before the readings are committed and acknowledged, so a kill at any point loses no alert;
and everything it stores is idempotent, because after such a kill the same readings come again. Only the time for which
a condition has been waiting out its delay is lost with the process; of a device that several processes hear, each has
its own.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from uuid import UUID

import numpy as np
from django.db import close_old_connections, connection, transaction
from numpy.typing import NDArray

from compliance.models import Event, EventCategory, Patient
from compliance.services.events import record_event
from devices.kinds.registry import by_key
from devices.models import Device
from devices.selectors.worn import Wear, worn_since
from devices.services.worn import latest_of
from devices.telemetry.batch import READING, ReadingBatch
from twin.alerts.episode import Change
from twin.alerts.limits import Limit
from twin.alerts.priority import Priority
from twin.alerts.rulebook import Rulebook
from twin.alerts.watch import Found, Judgement, Known, Watch
from twin.alerts.wording import describe
from twin.models import Alert, AlertState
from twin.services.alerts import Condition, Key, end_alerts, raise_alerts
from twin.services.limits import load_rulebook, rulebook_basis

RELOAD_S = 10.0  # limits and patients may be changed by another process
RETRY_S = 1.0  # a device that the registry does not know is looked up again at most this often
REFRESH_S = 10.0  # a lasting condition is written this often, not with every reading
BACK = "Back within limits"


class AlertWatch:
    """The process's watch over all devices whose readings this process writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watch: Watch[UUID] | None = None
        self._loaded_at = -math.inf
        self._basis: tuple[object, ...] = ()
        self._since: dict[int, float] = {}  # device -> when it came to its patient, s since the Unix epoch
        self._reconnected: set[int] = set()
        self._under_new_limits: list[int] = []  # their newest readings stand, and are judged anew
        self._written: dict[tuple[int, str], float] = {}

    def receive(self, batch: ReadingBatch) -> None:
        """Judge a commit group and store what follows from it. Raises what the database raises: then nothing counts."""
        if not len(batch.readings):
            return
        received_at = batch.received_at or time.time()
        with self._lock:
            watch = self._current(batch)
            _follow_others(watch, sorted(batch.shared))
            readings = np.concatenate([self._of_wearers(batch), *_latest(self._under_new_limits)])
            judgement = watch.judge(readings, received_at)
            if judgement.current or judgement.late:
                self._store(watch.rulebook, judgement)
            watch.settle(judgement)
            self._under_new_limits = []

    def reload(self) -> None:
        """Read limits and registry again before the next group."""
        self._loaded_at = -math.inf

    def reconnected(self, gateway_id: int) -> None:
        """Note that a gateway is back: another process may have written its readings in between."""
        self._reconnected.add(gateway_id)
        self.reload()

    def forget(self) -> None:
        """Start from nothing, as a new process does."""
        with self._lock:
            self._watch = None
            self._written.clear()

    def _current(self, batch: ReadingBatch) -> Watch[UUID]:
        """Return the watch by rules that are at most `RELOAD_S` old and know the devices of `batch`."""
        watch, age = self._watch, time.monotonic() - self._loaded_at
        if watch is not None and age < RELOAD_S:
            unknown = watch.rulebook.rows(batch.readings["device"]) == len(watch.rulebook.devices)
            if age < RETRY_S or not unknown.any():
                return watch
        _renew_connection()
        return self._load(watch)

    def _load(self, old: Watch[UUID] | None) -> Watch[UUID]:
        reconnected, self._reconnected = self._reconnected, set()
        basis = rulebook_basis()
        if old and not reconnected and basis == self._basis:
            self._loaded_at = time.monotonic()
            return old
        rulebook = load_rulebook()
        watch = old.under(rulebook) if old else Watch(rulebook)
        self._since = worn_since(rulebook.devices.tolist())
        gateways = dict(Device.objects.filter(gateway__in=reconnected).values_list("pk", "gateway_id"))
        before = set(old.rulebook.devices.tolist()) if old else set()
        fresh = [d for d in rulebook.devices.tolist() if d not in before or d in gateways]
        _catch_up(watch, fresh)
        if old:
            self._under_new_limits += _devices_under_new_limits(old.rulebook, rulebook)
        self._watch, self._basis, self._loaded_at = watch, basis, time.monotonic()
        return watch

    def _of_wearers(self, batch: ReadingBatch) -> NDArray[np.void]:
        """Return the readings that devices made since they came to who has them: earlier ones are somebody else's."""
        moments = np.minimum(batch.readings["t"], batch.received_at or np.inf)
        devices, places = np.unique(batch.readings["device"], return_inverse=True)
        since = np.array([self._since.get(device, -math.inf) for device in devices.tolist()])
        theirs: NDArray[np.void] = batch.readings[moments >= since[places]]
        return theirs

    def _store(self, book: Rulebook[UUID], judgement: Judgement) -> None:
        """Write findings in the order in which they were made."""
        _renew_connection()
        current, late = (_of_book(book, found, judgement.received_at) for found in (judgement.current, judgement.late))
        due = [found for found in current if self._due(found, judgement.received_at)]
        with transaction.atomic():
            for over, group in groupby(due, key=lambda found: found.finding.change is Change.CLEARED):
                if over:
                    _end(book, list(group))
                else:
                    raise_alerts(conditions=[_condition(book, found) for found in group])
            _record_late(book, judgement.received_at, late)
        for found in due:
            self._written[found.device, found.finding.limit.rule] = judgement.received_at

    def _due(self, found: Found, received_at: float) -> bool:
        if found.finding.change is not Change.LASTING:
            return True
        return received_at - self._written.get((found.device, found.finding.limit.rule), 0.0) >= REFRESH_S


def _of_book(book: Rulebook[UUID], found: Sequence[Found], received_at: float) -> list[Found]:
    """Return the findings about who the rulebook takes for the wearer: another process may have moved a device."""
    if not found:
        return []
    wear = Wear({patient for one in found if (patient := book.patients[one.device]) is not None})
    return [one for one in found if wear.patient(one.device, one.finding.t, received_at) == book.patients[one.device]]


def _renew_connection() -> None:
    """Drop a connection that died since the last group: this thread has no request that would do it."""
    if not connection.in_atomic_block:
        close_old_connections()


def _follow_others(watch: Watch[UUID], shared: Sequence[int]) -> None:
    """Take over what other processes concluded about the devices whose readings they store as well."""
    if shared:
        _renew_connection()
        watch.put_down(shared)
        _catch_up(watch, shared)


def _catch_up(watch: Watch[UUID], devices: Sequence[int]) -> None:
    """Tell a watch what is stored about devices that it did not follow until now."""
    if not devices:
        return
    watch.learn(Known(r.device, r.metric, r.t, r.received) for r in latest_of(devices))
    waiting = Alert.objects.filter(device_id__in=devices).exclude(metric="").exclude(state=AlertState.RESOLVED)
    for device_id, metric, rule, priority in waiting.values_list("device_id", "metric", "rule", "priority"):
        watch.resume(device_id or 0, by_key(metric).code, rule, Priority(priority))


def _devices_under_new_limits(old: Rulebook[UUID], new: Rulebook[UUID]) -> list[int]:
    """Return the devices whose newest readings have to be judged anew: a cuff may say nothing more for an hour."""
    if old.tables == new.tables:
        return []
    kept = {device: old.tables.get(owner, old.tables[None]) for device, owner in old.patients.items()}
    return [d for d, owner in new.patients.items() if d in kept and new.tables.get(owner, new.tables[None]) != kept[d]]


def _latest(devices: Sequence[int]) -> list[NDArray[np.void]]:
    """Return the newest stored reading of every metric of these devices, as one array or none."""
    if not devices:
        return []
    return [np.array([(r.device, r.metric, r.seq, r.t, r.value) for r in latest_of(devices)], dtype=READING)]


def _at(t: float) -> datetime:
    return datetime.fromtimestamp(t, UTC)


def _key(book: Rulebook[UUID], device: int, limit: Limit) -> Key:
    return Key(book.patient_of(device), device, limit.rule)


def _condition(book: Rulebook[UUID], found: Found) -> Condition:
    _, limit, t, value = found.finding
    measurement = by_key(limit.metric)
    message = describe(limit, value, measurement.unit_label, measurement.decimals)
    return Condition(_key(book, found.device, limit), limit.metric, limit.priority, message, _at(t), value)


def _end(book: Rulebook[UUID], cleared: Iterable[Found]) -> None:
    end_alerts(keys=[_key(book, found.device, found.finding.limit) for found in cleared], reason=BACK)


def _record_late(book: Rulebook[UUID], received_at: float, late: Iterable[Found]) -> None:
    """Keep on record what would have alarmed, had its readings come in time; once, however often they come."""
    patients = Patient.objects.in_bulk({book.patient_of(found.device) for found in late})
    for device, (_, limit, t, _) in late:
        patient, at = patients[book.patient_of(device)], _at(t)
        if _did_alarm(patient, device, limit, at) or _is_recorded(device, limit, t):
            continue
        record_event(
            category=EventCategory.DATA_QUALITY,
            code="would_have_alarmed",
            message=f"{limit.text} was out of limits; its readings came too late to alarm.",
            patient=patient,
            device_id=device,
            detail={"rule": limit.rule, "priority": limit.priority, "at": t, "received": received_at},
        )


def _did_alarm(patient: Patient, device: int, limit: Limit, at: datetime) -> bool:
    alerts = Alert.objects.filter(patient=patient, device_id=device, rule=limit.rule, event_time__lte=at)
    return alerts.filter(last_seen_at__gte=at).exists() or alerts.exclude(state=AlertState.RESOLVED).exists()


def _is_recorded(device: int, limit: Limit, t: float) -> bool:
    return Event.objects.filter(
        code="would_have_alarmed", device_id=device, detail__rule=limit.rule, detail__at=t
    ).exists()


alert_watch = AlertWatch()
