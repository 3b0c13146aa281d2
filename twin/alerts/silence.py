"""What is missing: stale metrics, lost devices and lost gateways, concluded from the newest readings.

The widest loss speaks for all within it: a lost gateway is one alert per patient, not one per device, and a lost device
is one alert, not one per metric.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from devices.kinds.measurement import stale_after_s
from twin.alerts.priority import Priority

P = TypeVar("P", bound=Hashable)

LOST_PERIODS = 3
LOST_FLOOR_S = 60.0
GATEWAY_LOST_S = 60.0

STALE, DEVICE_LOST, GATEWAY_LOST = "stale_", "device_lost", "gateway_lost"


@dataclass(frozen=True, slots=True)
class Watched(Generic[P]):
    """A device on duty.

    periods_s: metric key -> typical time between readings, for what comes by itself. newest: metric key -> device time
    of its newest reading, s; a metric that has never come is not missed.
    """

    device: int
    label: str
    patient: P
    gateway: int
    gateway_label: str
    periods_s: Mapping[str, float]
    newest: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Missing(Generic[P]):
    """Something that should be heard and is not. `since` is the time of its last sign of life, s."""

    patient: P
    device: int | None
    rule: str
    metric: str
    priority: Priority
    what: str
    since: float


def find_missing(
    watched: Iterable[Watched[P]], gateway_seen: Mapping[int, float], now: float, labels: Mapping[str, str]
) -> list[Missing[P]]:
    """Return everything that is missing at `now`, s.

    gateway_seen: gateway id -> time of its last sign of life, s; one that is absent was never heard and is not missed.
    labels: metric key -> name for people.
    """
    devices = list(watched)
    allowed_s: dict[int, float] = {}  # a gateway is as quiet as the most talkative of its devices
    for device in devices:
        if device.newest:
            allowed_s[device.gateway] = min(allowed_s.get(device.gateway, math.inf), _allowed_s(device))
    lost_gateways = {
        gateway
        for gateway, seen in gateway_seen.items()
        if now - seen > max(GATEWAY_LOST_S, allowed_s.get(gateway, math.inf))
    }
    found: dict[tuple[P, int | None, str], Missing[P]] = {}
    for device in devices:
        for missing in _of_device(device, lost_gateways, gateway_seen, now, labels):
            found.setdefault((missing.patient, missing.device, missing.rule), missing)
    return list(found.values())


def _of_device(
    device: Watched[P], lost: set[int], gateway_seen: Mapping[int, float], now: float, labels: Mapping[str, str]
) -> Iterable[Missing[P]]:
    if not device.newest:
        return
    if device.gateway in lost:
        rule = f"{GATEWAY_LOST}:{device.gateway}"
        what = f"No connection to {device.gateway_label}: all its devices are silent"
        seen = gateway_seen[device.gateway]
        yield Missing(device.patient, None, rule, "", Priority.MEDIUM, what, seen)
    elif now - (last := max(device.newest.values())) > _allowed_s(device):
        yield Missing(
            device.patient, device.device, DEVICE_LOST, "", Priority.MEDIUM, f"{device.label}: no readings", last
        )
    else:
        for metric in _stale(device, now):
            what = f"{labels.get(metric, metric)}: no readings"
            yield Missing(
                device.patient, device.device, STALE + metric, metric, Priority.LOW, what, device.newest[metric]
            )


def _allowed_s(device: Watched[P]) -> float:
    """Return for how long the device may say nothing at all; without end when all it reports comes with events."""
    periods = [device.periods_s[metric] for metric in device.newest if metric in device.periods_s]
    return max(LOST_PERIODS * min(periods, default=math.inf), LOST_FLOOR_S)


def _stale(device: Watched[P], now: float) -> list[str]:
    return [
        metric
        for metric, t in device.newest.items()
        if metric in device.periods_s and now - t > stale_after_s(device.periods_s[metric])
    ]
