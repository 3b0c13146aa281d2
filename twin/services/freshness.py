"""Miss what does not come: stale metrics, silent devices, gateways without a connection.

Stateless: each pass compares what is missing now with the alerts that are stored, raises the new and ends the old.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q

from devices.kinds.registry import KINDS, Form, by_code
from devices.models import Device, DevicePath, DeviceState, GatewayState
from devices.services.worn import latest_of
from devices.telemetry import Reading
from twin.alerts.silence import DEVICE_LOST, GATEWAY_LOST, STALE, Missing, Watched, find_missing
from twin.models import Alert, AlertState
from twin.services.alerts import Condition, Key, end_alerts, raise_alerts

# A house that was just switched on waits this long before it misses anybody: its gateways are still on their way back.
GRACE_S = 45.0
_started = time.monotonic()
_LABELS = {m.key: m.label for kind in KINDS.values() for m in kind.measurements}
_PERIODS = {
    name: {m.key: m.period_s for m in kind.measurements if m.period_s > 0 and m.kind is not Form.WAVEFORM}
    for name, kind in KINDS.items()
}
_OF_SILENCE = Q(rule__startswith=STALE) | Q(rule=DEVICE_LOST) | Q(rule__startswith=GATEWAY_LOST)


def watch_freshness(*, now: float | None = None, running_s: float | None = None) -> int:
    """Raise and end alerts of silence; return how many things are missing.

    now: s since the Unix epoch; running_s: for how long this process has been running.
    """
    end_of_moved_devices()
    if (time.monotonic() - _started if running_s is None else running_s) < GRACE_S:
        return 0
    at = time.time() if now is None else now
    devices = list(_on_duty())
    readings = latest_of(device.pk for device in devices)
    missing = find_missing(_watched(devices, readings), _gateways_seen(devices, readings), at, _LABELS)
    wanted = {Key(entry.patient, entry.device, entry.rule): entry for entry in missing}
    _sync(wanted)
    return len(wanted)


def end_of_moved_devices() -> None:
    """End alerts whose device now belongs to somebody else, to nobody, or is out of service."""
    unresolved = Alert.objects.filter(device__isnull=False).exclude(state=AlertState.RESOLVED)
    moved = Q(device__patient__isnull=True) | ~Q(device__patient=F("patient")) | ~Q(device__state=DeviceState.ACTIVE)
    gone = [Key(*row) for row in unresolved.filter(moved).values_list("patient_id", "device_id", "rule")]
    if gone:
        end_alerts(keys=gone, reason="The device is no longer in use here")


def _sync(wanted: dict[Key, Missing[UUID]]) -> None:
    unresolved = Alert.objects.filter(_OF_SILENCE).exclude(state=AlertState.RESOLVED)
    there = {Key(*row) for row in unresolved.values_list("patient_id", "device_id", "rule")}
    if over := there - wanted.keys():
        end_alerts(keys=over, reason="Readings are coming again")
    raise_alerts(conditions=[_condition(key, wanted[key]) for key in wanted.keys() - there])


def _condition(key: Key, missing: Missing[UUID]) -> Condition:
    since = datetime.fromtimestamp(missing.since, UTC)
    return Condition(key, missing.metric, missing.priority, missing.what, since)


def _on_duty() -> list[Device]:
    """Return the devices that somebody depends on and some gateway may speak for."""
    also = DevicePath.objects.filter(device=OuterRef("pk"), ended_at=None, gateway__state=GatewayState.ACTIVE)
    heard = Q(gateway__state=GatewayState.ACTIVE) | Exists(also)
    active = Device.objects.filter(heard, state=DeviceState.ACTIVE, patient__isnull=False)
    return list(active.select_related("gateway"))


def _watched(devices: list[Device], readings: list[Reading]) -> list[Watched[UUID]]:
    newest: dict[int, dict[str, float]] = {device.pk: {} for device in devices}
    for reading in readings:
        newest[reading.device][by_code(reading.metric).key] = reading.t
    return [
        Watched(
            device=device.pk,
            label=device.label,
            patient=device.patient_id,
            gateway=device.gateway_id,
            gateway_label=device.gateway.name,
            periods_s=_PERIODS.get(device.kind, {}),
            newest=newest[device.pk],
        )
        for device in devices
        if device.patient_id is not None
    ]


def _gateways_seen(devices: list[Device], readings: list[Reading]) -> dict[int, float]:
    """Return when each gateway last gave a sign of life, s since the Unix epoch; one never heard is absent."""
    gateway_of = {device.pk: device.gateway_id for device in devices}
    seen = {d.gateway_id: d.gateway.last_seen_at.timestamp() for d in devices if d.gateway.last_seen_at is not None}
    for reading in readings:
        gateway = gateway_of[reading.device]
        seen[gateway] = max(seen.get(gateway, 0.0), reading.received)
    return seen
