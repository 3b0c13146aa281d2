"""Move a device to another gateway: its history goes on, and what the former gateway says of it is refused.

Both lines are greeted anew, so that every key and replay window of the device begins with the move.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from compliance.models import EventCategory, User
from compliance.services.events import record_event
from devices.models import (
    Certificate,
    CertificateState,
    DesiredSettings,
    Device,
    DeviceHome,
    DevicePath,
    DeviceState,
    FormerRoot,
    Gateway,
    GatewayState,
    Pairing,
    PairingState,
)
from devices.services.lanes import free_lane, lane_of_home
from devices.services.locking import lock_with_gateways
from devices.services.registry import RegistrationRefused
from devices.signals import device_changed
from devices.telemetry.lanes import LANES


def move_device(*, device: Device, to: Gateway, by: User | None = None, seen_at: int | None = None) -> DeviceHome:
    """Let the device belong to another gateway, and return how it does.

    seen_at: the gateway that it belonged to when the person decided so; None to move it from wherever it is.
    Frames are taken from the new one alone within a second. Raises RegistrationRefused where one of both is retired,
    the gateway has it already, speaks for it as a further one, or was never paired: no key is handed from one gateway
    to another, each derives its own. So it does where the device's own certificate was revoked, and where the gateway
    had the device before and its numbers were taken.
    """
    with transaction.atomic():
        locked, gateways = lock_with_gateways(device.pk, to.pk)
        left, target = gateways[locked.gateway_id], gateways[to.pk]
        if seen_at not in (None, left.pk):
            raise RegistrationRefused("somebody else moved it meanwhile: see where it is now, and choose again")
        _check(locked, left, target)
        now = timezone.now()
        lane = lane_of_home(locked)
        _leave(locked, left, lane, now)
        home = _enter(locked, target, lane, now)
        FormerRoot.objects.create(device=locked, gateway=left, root_sealed=locked.root_sealed, ended_at=now)
        Device.objects.filter(pk=locked.pk).update(gateway=target, root_sealed=home.root_sealed)
        Pairing.objects.filter(device=locked, state=PairingState.WAITING).update(state=PairingState.WITHDRAWN)
        _greet_anew(locked, left, target)
        for ward_id in sorted({left.ward_id, target.ward_id}):  # it leaves the one and comes to the other
            record_event(
                category=EventCategory.SECURITY,
                code="device_moved",
                message="A device was moved to another gateway.",
                patient=locked.patient,
                ward_id=ward_id,
                user=by,
                device_id=locked.pk,
                gateway_id=target.pk,
                detail={"from": left.pk, "to": target.pk},
            )
        transaction.on_commit(lambda: device_changed.send(Device, device_id=locked.pk))
    device.refresh_from_db()
    return home


def _check(device: Device, left: Gateway, target: Gateway) -> None:
    if device.state == DeviceState.RETIRED or target.state == GatewayState.RETIRED:
        raise RegistrationRefused("a retired device or gateway does not come back: register it anew")
    if left.pk == target.pk:
        raise RegistrationRefused("the device belongs to this gateway already")
    if target.root_sealed is None:
        raise RegistrationRefused(f"{target.name} was never paired, and has no keys for it: pair it first")
    if DevicePath.objects.filter(device=device, gateway=target, ended_at=None).exists():
        raise RegistrationRefused(f"{target.name} speaks for it as a further gateway: end that first")
    valid = Certificate.objects.filter(device=device, state=CertificateState.VALID)
    if device.root_sealed is not None and not valid.exists():
        # Elsewhere it has no root of its own, and nobody would ask for its certificate any more.
        raise RegistrationRefused("its certificate was revoked: pair the device anew first")


def _leave(device: Device, left: Gateway, lane: int, now: datetime) -> None:
    """Note what the former gateway needs to go on where it ends, should the device come back."""
    DeviceHome.objects.update_or_create(
        device=device,
        gateway=left,
        defaults={"lane": lane, "root_sealed": device.root_sealed, "ended_at": now},
    )


def _enter(device: Device, target: Gateway, left_lane: int, now: datetime) -> DeviceHome:
    before = DeviceHome.objects.filter(device=device, gateway=target).first()
    home = before or DeviceHome(device=device, gateway=target)
    home.lane = free_lane(device, before, set(range(LANES)) - {left_lane})
    home.began_at, home.ended_at = now, None
    home.save()
    return home


def _greet_anew(device: Device, left: Gateway, target: Gateway) -> None:
    """Have both gateways greet again: under epochs above every one of either, and with the wishes that go along."""
    both = Gateway.objects.filter(pk__in=(left.pk, target.pk))
    both.update(settings_number=F("settings_number") + 1, epoch=max(left.epoch, target.epoch))
    DesiredSettings.objects.filter(device=device).update(number=target.settings_number + 1)
