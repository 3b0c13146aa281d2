"""Which gateway of a device numbers its readings in which lane: no two in one that could reach each other's numbers.

A gateway that begins anew numbers from the time in milliseconds, above all that was ever given, so that it may have the
lane of one that left. That one goes on below it, and nobody's cursor would ever show what it tells: it may not return.
"""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime

from devices.models import Device, DeviceHome, DevicePath
from devices.services.registry import RegistrationRefused
from devices.telemetry.lanes import LANES

TAKEN = (
    "another gateway has taken its place in the numbering since, and what it tells would be lost: choose a gateway "
    "that never spoke for the device, or register the device anew"
)


def lane_of_home(device: Device) -> int:
    """Return the lane in which the gateway that a device belongs to numbers its readings."""
    return DeviceHome.objects.filter(device=device, ended_at=None).values_list("lane", flat=True).first() or 0


def free_lane(device: Device, before: DeviceHome | DevicePath | None, among: Set[int]) -> int:
    """Return the lane in which a gateway numbers from now on; none that another one numbers in is among those given.

    before: what ended of the same gateway: it gets its own lane again and goes on with the numbers that follow.
    Otherwise a lane that nobody ever had, or the one that was left longest ago. Raises RegistrationRefused when its own
    was taken since, or all are.
    """
    paths, homes = DevicePath.objects.filter(device=device), DeviceHome.objects.filter(device=device)
    free = among - set(paths.filter(ended_at=None).values_list("lane", flat=True))
    ended: dict[int, datetime] = {}
    for lane, moment in (*paths.values_list("lane", "ended_at"), *homes.values_list("lane", "ended_at")):
        if moment is not None:
            ended[lane] = max(ended.get(lane, moment), moment)
    if before is not None:
        if before.lane not in free or ended[before.lane] != before.ended_at:
            raise RegistrationRefused(TAKEN)
        return before.lane
    if not free:
        raise RegistrationRefused(f"a device is heard by {LANES} gateways at most: end one of them first")
    return min(free, key=lambda lane: (lane in ended, ended.get(lane), lane))
