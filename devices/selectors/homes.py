"""To which gateways a device belongs and belonged, where it may be moved, and what its gateway has to be told of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from compliance.models import User
from devices.models import Device, DeviceHome, Gateway, GatewayState
from devices.protocol.suites import SUITES, Suite
from devices.selectors.reach import hubs_of
from devices.telemetry import Reading
from devices.telemetry.lanes import lane_of


@dataclass(frozen=True, slots=True)
class HomeRow:
    """One gateway of a device. gateway: None for one that whoever looks may not see."""

    gateway: Gateway | None
    began_at: datetime | None
    ended_at: datetime | None
    may_return: bool


@dataclass(frozen=True, slots=True)
class Homes:
    """A device that was moved. told: whether its gateway of now has told of it. entry: as in its config.json."""

    rows: list[HomeRow]
    told: bool
    entry: str


def homes_of(device: Device, near: QuerySet[Gateway], newest: Iterable[Reading]) -> Homes | None:
    """Return the gateways of a device that was moved, that of now first; None for one that never was.

    near: the gateways that whoever looks may see. newest: the device's newest readings, of any measurement.
    """
    homes = list(DeviceHome.objects.filter(device=device).select_related("gateway"))
    if not homes:
        return None
    seen = set(near.filter(pk__in=[home.gateway_id for home in homes]).values_list("pk", flat=True))
    homes.sort(key=lambda home: (home.ended_at is not None, -(home.ended_at.timestamp() if home.ended_at else 0.0)))
    rows = [
        HomeRow(
            home.gateway if home.gateway_id in seen else None,
            home.began_at,
            home.ended_at,
            home.ended_at is not None and home.gateway_id in seen and may_take(home.gateway),
        )
        for home in homes
    ]
    now = homes[0]
    began = now.began_at.timestamp() if now.began_at else 0.0
    told = any(lane_of(one.seq) == now.lane and one.received > began for one in newest)
    return Homes(rows, told, entry_of(device))


def may_take(gateway: Gateway) -> bool:
    """Tell whether a device may be moved to a gateway: one that was paired and is in use."""
    return gateway.root_sealed is not None and gateway.state == GatewayState.ACTIVE


def targets_of(user: User, device: Device) -> QuerySet[Gateway]:
    """Return the gateways to which `user` may move the device, by name."""
    taken = device.paths.filter(ended_at=None).values("gateway")
    open_to = hubs_of(user).filter(state=GatewayState.ACTIVE).exclude(root_sealed=None)
    return open_to.exclude(pk=device.gateway_id).exclude(pk__in=taken)


def entry_of(device: Device) -> str:
    """Return what names the device under `devices` in its gateway's config.json."""
    return json.dumps({"device_id": device.pk, "kind": device.kind, "suite": SUITES[Suite(device.suite)].name})
