"""Keys of devices, opened: of the present epoch and of former ones, under which old frames still open as evidence."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Q

from compliance.errors import SecretUnreadable
from compliance.keyring import field_box
from compliance.secretbox import SecretBox
from devices.models import Device, DevicePath, FormerKey, FormerRoot, KeyEpoch
from devices.models.paths import PATH_EPOCH
from devices.protocol.epochs import frame_key
from devices.protocol.suites import Suite


class EpochKey(NamedTuple):
    """A frame key, 16 bytes, and the cipher that it belongs to."""

    key: bytes
    suite: Suite


def key_box() -> SecretBox:
    """Return the box in which frame keys are kept."""
    return field_box("device-key")


def gateway_root_box() -> SecretBox:
    """Return the box of gateways' root keys; the context is the gateway's name in its certificate."""
    return field_box("gateway-root")


def device_root_box() -> SecretBox:
    """Return the box of the root keys of devices that were paired themselves."""
    return field_box("device-root")


def epoch_box() -> SecretBox:
    """Return the box of the secrets of epochs."""
    return field_box("device-epoch")


def key_of_epoch(
    device: Device,
    epoch: int,
    gateway_id: int | None = None,
    *,
    suite: Suite | None = None,
    path: DevicePath | None = None,
) -> EpochKey | None:
    """Return key and cipher of an epoch; None when it is no longer kept, or FIELD_KEY is not the one that sealed it.

    gateway_id: who brought the frame; the device may hang on another gateway by now. suite: that of the frame, where
    the gateway was paired; the device's present one unless given. path: by which it came, if not by its own gateway.
    """
    began = KeyEpoch.objects.filter(gateway=gateway_id or device.gateway_id, number=epoch).first()
    if began is not None:
        return _derived(path or device, began, suite or Suite((path or device).suite))
    holder: Device | DevicePath | FormerKey | None = device
    if path is not None:
        holder = path if epoch == PATH_EPOCH else None
    elif epoch != device.epoch:
        holder = FormerKey.objects.filter(device=device, epoch=epoch).first()
    if holder is None:
        return None
    try:
        return EpochKey(key_box().open(bytes(holder.key_sealed)), Suite(holder.suite))
    except SecretUnreadable:
        return None


def _derived(owner: Device | DevicePath, began: KeyEpoch, suite: Suite) -> EpochKey | None:
    """Return the key that a device, or a path to it, had in an epoch."""
    try:
        secret = epoch_box().open(bytes(began.secret_sealed))
        if isinstance(owner, DevicePath):
            return EpochKey(frame_key(secret, owner.number, suite, None), suite)
        return EpochKey(frame_key(secret, owner.pk, suite, _own_root(owner, began)), suite)
    except SecretUnreadable:
        return None


def _own_root(device: Device, began: KeyEpoch) -> bytes | None:
    """Return the root of a device's own pairing, which counts from the next epoch on. Raises SecretUnreadable."""
    there = Q(gateway=None) | Q(gateway=began.gateway_id)  # it may have had another one on another gateway
    former = FormerRoot.objects.filter(there, device=device, ended_at__gt=began.began_at).first()
    sealed = former.root_sealed if former is not None else device.root_sealed
    return device_root_box().open(bytes(sealed)) if sealed is not None else None
