"""Let further gateways speak for a device, take that back, and count what each of them brings."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Set
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from compliance.models import EventCategory, User
from compliance.services.events import record_event
from devices.models import Device, DevicePath, DeviceState, Gateway, GatewayState, PathTally
from devices.protocol.aead import KEY_BYTES
from devices.selectors.keys import key_box
from devices.services.directory import KnownDevice
from devices.services.lanes import free_lane, lane_of_home
from devices.services.registry import RegistrationRefused
from devices.signals import device_changed
from devices.telemetry import ReadingBatch, Written
from devices.telemetry.lanes import LANE_BITS, LANES, lane_of

TALLIES_KEPT = timedelta(days=2)


def add_path(*, device: Device, gateway: Gateway, by: User | None = None) -> tuple[DevicePath, bytes]:
    """Let one more gateway speak for the device; return the path and its frame key, 16 bytes.

    The key goes to a gateway that was never paired and is not shown again; a path that ended goes on under it. Raises
    RegistrationRefused when the gateway speaks for the device already, there are too many, one of both is retired, or
    its numbers were taken by another gateway since it ended.
    """
    with transaction.atomic():
        locked = Device.objects.select_for_update().get(pk=device.pk)
        _check(locked, gateway)
        path = DevicePath.objects.filter(device=locked, gateway=gateway).first()
        # Lane 0 is of a device's first gateway alone.
        lane = free_lane(locked, path, set(range(1, LANES)) - {lane_of_home(locked)})
        if path is not None:
            key = key_box().open(bytes(path.key_sealed))
            path.lane, path.ended_at = lane, None
            path.save(update_fields=["lane", "ended_at"])
        else:
            key = os.urandom(KEY_BYTES)
            path = DevicePath.objects.create(
                device=locked,
                gateway=gateway,
                lane=lane,
                key_sealed=key_box().seal(key),
                suite=locked.suite,
                began_at=timezone.now(),
            )
        _announce(path, "device_path_added", "One more gateway speaks for a device.", by)
    return path, key


def end_path(*, path: DevicePath, by: User | None = None) -> DevicePath:
    """Take what this gateway says of the device no longer. What it brought stays."""
    with transaction.atomic():
        locked = DevicePath.objects.select_for_update(of=("self",)).select_related("device__patient").get(pk=path.pk)
        if locked.ended_at is None:
            locked.ended_at = timezone.now()
            locked.save(update_fields=["ended_at"])
            _announce(locked, "device_path_ended", "A gateway speaks for a device no longer.", by)
    return locked


def _check(device: Device, gateway: Gateway) -> None:
    if device.state == DeviceState.RETIRED or gateway.state == GatewayState.RETIRED:
        raise RegistrationRefused("a retired device or gateway does not come back: register it anew")
    if device.gateway_id == gateway.pk:
        raise RegistrationRefused("this is the gateway that the device belongs to")
    if DevicePath.objects.filter(device=device, gateway=gateway, ended_at=None).exists():
        raise RegistrationRefused("this gateway speaks for the device already")


def _announce(path: DevicePath, code: str, message: str, by: User | None) -> None:
    record_event(
        category=EventCategory.SECURITY,
        code=code,
        message=message,
        patient=path.device.patient,
        ward_id=path.device.gateway.ward_id,
        user=by,
        device_id=path.device_id,
        gateway_id=path.gateway_id,
        detail={"path": path.number},
    )
    transaction.on_commit(lambda: device_changed.send(DevicePath, device_id=path.device_id))


class Heard(NamedTuple):
    """Which gateway brought something of which device, and whether another one had brought it before."""

    device: int
    gateway: int
    repeated: bool


class PathTallies:
    """Counts in memory what the paths of shared devices bring; `flush` adds it to the database."""

    def __init__(self) -> None:
        self._counts: Counter[Heard] = Counter()

    def count(
        self, batch: ReadingBatch, written: Written, senders: Mapping[int, KnownDevice], shared: Set[int]
    ) -> None:
        """Count a committed group: what came twice by the same path counts once."""
        gateway_of = {(known.device_id, known.lane): known.gateway_id for known in senders.values()}
        readings = batch.readings[written.readings]
        readings = readings[np.isin(readings["device"], list(shared))]
        lanes = readings["seq"] >> np.uint64(LANE_BITS)
        came = Counter(zip(readings["device"].tolist(), lanes.tolist(), strict=True))
        came.update(
            (block.device, lane_of(block.seq))
            for block, new in zip(batch.waveforms, written.waveforms, strict=True)
            if new and block.device in shared
        )
        again = Counter(
            (copy.device, lane_of(copy.copy)) for copy, new in zip(batch.copies, written.copies, strict=True) if new
        )
        for counts, repeated in ((came, False), (again, True)):
            for key, count in counts.items():
                if key in gateway_of:
                    self._counts[Heard(key[0], gateway_of[key], repeated)] += count

    def flush(self) -> None:
        """Store what was counted. Raises DatabaseError; what was not stored is counted on."""
        if not self._counts:
            return
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        with transaction.atomic():
            for heard, count in sorted(self._counts.items()):  # in one order, whichever process stores
                row, _ = PathTally.objects.get_or_create(device_id=heard.device, gateway_id=heard.gateway, hour=hour)
                field = "repeated" if heard.repeated else "first"
                PathTally.objects.filter(pk=row.pk).update(**{field: F(field) + count})
            PathTally.objects.filter(hour__lt=hour - TALLIES_KEPT).delete()
        self._counts.clear()
