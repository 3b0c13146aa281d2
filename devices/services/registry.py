"""Put gateways and devices into the registry, give out and renew their keys, move and stop them."""

from __future__ import annotations

import os

from django.conf import settings
from django.db import IntegrityError, transaction

from compliance.errors import DomainError
from compliance.models import EventCategory, Patient, User, Ward
from compliance.secretbox import SecretBox
from compliance.services.events import record_event
from devices.kinds.registry import KINDS
from devices.models import Device, DeviceState, Gateway
from devices.protocol.ascon.backend import KEY_BYTES
from devices.signals import device_changed

PUBLIC_KEY_BYTES = 32  # Ed25519, raw


class RegistrationRefused(DomainError):
    """The registry does not take this gateway or device."""

    code = "registration_refused"


def register_gateway(*, name: str, ward: Ward, public_key: bytes, link: str = "wifi") -> Gateway:
    """Store a gateway with the Ed25519 key (raw, 32 bytes) by which it will prove itself.

    Raises RegistrationRefused when the name is taken or the key is no key.
    """
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise RegistrationRefused(f"a gateway's public key has {PUBLIC_KEY_BYTES} bytes, not {len(public_key)}")
    try:
        with transaction.atomic():
            gateway = Gateway.objects.create(name=name, ward=ward, public_key=public_key, link=link)
            record_event(
                category=EventCategory.OPERATION,
                code="gateway_registered",
                message="A gateway was registered.",
                ward_id=ward.pk,
                gateway_id=gateway.pk,
            )
    except IntegrityError as error:
        raise RegistrationRefused(f"a gateway named {name} is already there") from error
    return gateway


def register_device(
    *, serial: str, kind: str, label: str, gateway: Gateway, patient: Patient | None, link: str = "ble"
) -> tuple[Device, bytes]:
    """Store a device under a fresh key and return both; the 16 bytes go to its gateway and are never shown again.

    Raises RegistrationRefused when the kind is unknown or the serial number is taken.
    """
    if kind not in KINDS:
        raise RegistrationRefused(f"no device kind {kind}: it is one of {', '.join(KINDS)}")
    key = os.urandom(KEY_BYTES)
    try:
        with transaction.atomic():
            device = Device.objects.create(
                serial=serial,
                kind=kind,
                label=label,
                gateway=gateway,
                patient=patient,
                link=link,
                key_sealed=_box().seal(key),
            )
            _announce(device, "device_registered", "A device was registered.")
    except IntegrityError as error:
        raise RegistrationRefused(f"a device with the serial number {serial} is already there") from error
    return device, key


def device_key(device: Device) -> bytes:
    """Return the 16-byte frame key. Raises SecretUnreadable when FIELD_KEY is not the one that sealed it."""
    return _box().open(bytes(device.key_sealed))


def renew_device_key(*, device: Device, by: User | None = None) -> bytes:
    """Give the device a fresh key under the next epoch and return it; frames of the old epoch are refused from then."""
    key = os.urandom(KEY_BYTES)
    with transaction.atomic():
        locked = Device.objects.select_for_update().get(pk=device.pk)
        locked.key_sealed, locked.epoch = _box().seal(key), locked.epoch + 1
        locked.save(update_fields=["key_sealed", "epoch"])
        _announce(locked, "device_rekeyed", f"Epoch {locked.epoch} began.", by=by, category=EventCategory.SECURITY)
    device.refresh_from_db()
    return key


def set_device_state(*, device: Device, state: DeviceState, by: User | None = None) -> Device:
    """Let a device's frames in, keep them out, or retire it for good.

    Raises RegistrationRefused when the device was retired before: its key may have left the house with it.
    """
    with transaction.atomic():
        locked = Device.objects.select_for_update().get(pk=device.pk)
        if locked.state == state:
            return locked
        if locked.state == DeviceState.RETIRED:
            raise RegistrationRefused("a retired device does not come back: register it anew")
        locked.state = state
        locked.save(update_fields=["state"])
        _announce(locked, f"device_{state}", f"The device is {state}.", by=by, category=EventCategory.SECURITY)
    return locked


def assign_device(*, device: Device, patient: Patient | None, by: User | None = None) -> Device:
    """Say whose signals the device carries from now on; None takes it off its patient."""
    with transaction.atomic():
        locked = Device.objects.select_for_update(of=("self",)).select_related("patient").get(pk=device.pk)
        if locked.patient_id == (patient.pk if patient else None):
            return locked
        if locked.patient is not None:
            # The patient it leaves learns of it too: from here on that twin lacks these signals.
            _announce(locked, "device_unassigned", "A device was taken off.", by=by, category=EventCategory.CLINICAL)
        locked.patient = patient
        locked.save(update_fields=["patient"])
        if patient is not None:
            _announce(locked, "device_assigned", "A device was put on.", by=by, category=EventCategory.CLINICAL)
    return locked


def _box() -> SecretBox:
    return SecretBox(settings.FIELD_KEY, "device-key")


def _announce(
    device: Device,
    code: str,
    message: str,
    *,
    by: User | None = None,
    category: EventCategory = EventCategory.OPERATION,
) -> None:
    record_event(
        category=category,
        code=code,
        message=message,
        patient=device.patient,
        ward_id=device.gateway.ward_id,
        user=by,
        device_id=device.pk,
        gateway_id=device.gateway_id,
        detail={"kind": device.kind},
    )
    transaction.on_commit(lambda: device_changed.send(Device, device_id=device.pk))
