"""Put gateways and devices into the registry, give out and renew their keys, move and stop them."""

from __future__ import annotations

import os
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from compliance.errors import DomainError
from compliance.models import EventCategory, Patient, User, Ward
from compliance.services.events import record_event
from devices.kinds.registry import KINDS
from devices.models import Device, DeviceAssignment, DeviceState, FormerKey, Gateway
from devices.protocol.aead import KEY_BYTES
from devices.protocol.suites import Suite
from devices.selectors.keys import key_box
from devices.selectors.suites import suite_allowed
from devices.services.locking import lock_with_gateways
from devices.services.rule_wishes import rules_end_with_wearer
from devices.signals import device_changed, device_moved

PUBLIC_KEY_BYTES = 32  # Ed25519, raw


class RegistrationRefused(DomainError):
    """The registry does not take this gateway or device."""

    code = "registration_refused"


class CipherRefused(DomainError):
    """This cipher is there to be measured: set MEDTWIN_MEASUREMENT_CIPHERS=yes to let devices use it."""

    code = "cipher_refused"


def check_suite(suite: Suite | None) -> None:
    """Raise CipherRefused for a cipher for measurement, unless the house allows these."""
    if suite is not None and not suite_allowed(suite):
        raise CipherRefused


def register_gateway(
    *, name: str, ward: Ward, public_key: bytes = b"", link: str = "wifi", by: User | None = None
) -> Gateway:
    """Store a gateway. It gets its key and certificate when it is paired, and cannot connect before.

    public_key: Ed25519, raw, 32 bytes, of a gateway that is not paired and proves itself by that key alone.

    Raises RegistrationRefused when the name is taken or the key is no key.
    """
    if public_key and len(public_key) != PUBLIC_KEY_BYTES:
        raise RegistrationRefused(f"a gateway's public key has {PUBLIC_KEY_BYTES} bytes, not {len(public_key)}")
    try:
        with transaction.atomic():
            gateway = Gateway.objects.create(name=name, ward=ward, public_key=public_key, link=link)
            record_event(
                category=EventCategory.OPERATION,
                code="gateway_registered",
                message="A gateway was registered.",
                ward_id=ward.pk,
                user=by,
                gateway_id=gateway.pk,
            )
    except IntegrityError as error:
        raise RegistrationRefused(f"a gateway named {name} is already there") from error
    return gateway


def register_device(
    *,
    serial: str,
    kind: str,
    label: str,
    gateway: Gateway,
    patient: Patient | None,
    link: str = "ble",
    suite: Suite = Suite.ASCON_AEAD128,
    worn_since: datetime | None = None,
    by: User | None = None,
) -> tuple[Device, bytes]:
    """Store a device under a fresh key and return both; the 16 bytes go to its gateway and are never shown again.

    worn_since: when it was put on the patient, if that was before this moment; what it measured earlier is nobody's.
    Raises RegistrationRefused when the kind is unknown or the serial number is taken, CipherRefused for a cipher that
    is not allowed here.
    """
    check_suite(suite)
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
                suite=suite,
                key_sealed=key_box().seal(key),
            )
            if worn_since is not None:
                DeviceAssignment.objects.filter(device=device, ends_at=None).update(starts_at=worn_since)
            _announce(device, "device_registered", "A device was registered.", by=by)
    except IntegrityError as error:
        raise RegistrationRefused(f"a device with the serial number {serial} is already there") from error
    return device, key


def device_key(device: Device) -> bytes:
    """Return the 16-byte frame key. Raises SecretUnreadable when FIELD_KEY is not the one that sealed it."""
    return key_box().open(bytes(device.key_sealed))


def renew_device_key(*, device: Device, suite: Suite | None = None, by: User | None = None) -> bytes:
    """Give the device a fresh key under the next epoch and return it; frames of the old epoch are refused from then.

    suite: from then on its cipher too: no key is ever used with two. Raises CipherRefused for one that is not allowed.
    """
    check_suite(suite)
    key = os.urandom(KEY_BYTES)
    with transaction.atomic():
        locked = Device.objects.select_for_update().get(pk=device.pk)
        FormerKey.objects.create(
            device=locked,
            epoch=locked.epoch,
            key_sealed=locked.key_sealed,
            suite=locked.suite,
            ended_at=timezone.now(),
        )
        locked.key_sealed, locked.epoch = key_box().seal(key), locked.epoch + 1
        changed = suite is not None and suite != locked.suite
        locked.suite = locked.suite if suite is None else suite
        locked.save(update_fields=["key_sealed", "epoch", "suite"])
        _announce(locked, "device_rekeyed", f"Epoch {locked.epoch} began.", by=by, category=EventCategory.SECURITY)
        if changed:
            label = Suite(locked.suite).facts.label
            message = f"Its frames are sealed with {label} from now on."
            _announce(locked, "device_cipher_chosen", message, by=by, category=EventCategory.SECURITY)
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
        locked.state, locked.changed_at = state, timezone.now()
        locked.save(update_fields=["state", "changed_at"])
        _announce(locked, f"device_{state}", f"The device is {state}.", by=by, category=EventCategory.SECURITY)
    return locked


def assign_device(*, device: Device, patient: Patient | None, by: User | None = None) -> Device:
    """Say whose signals the device carries from now on; None takes it off its patient.

    Rules that were wished for it at its gateway end with that: they were chosen for somebody else.
    """
    with transaction.atomic():
        locked, _ = lock_with_gateways(device.pk)
        if locked.patient_id == (patient.pk if patient else None):
            return locked
        rules_end_with_wearer(locked, by=by)
        if locked.patient is not None:
            # The patient it leaves learns of it too: from here on that twin lacks these signals.
            _announce(locked, "device_unassigned", "A device was taken off.", by=by, category=EventCategory.CLINICAL)
        _note_wearer(locked, patient)
        locked.patient, locked.changed_at = patient, timezone.now()
        locked.save(update_fields=["patient", "changed_at"])
        if patient is not None:
            _announce(locked, "device_assigned", "A device was put on.", by=by, category=EventCategory.CLINICAL)
        transaction.on_commit(lambda: device_moved.send(Device, device_id=locked.pk))
    return locked


def _note_wearer(device: Device, patient: Patient | None) -> None:
    """Close the span that is open and begin the next, in microseconds: the triggers write it too, but less finely."""
    spans = DeviceAssignment.objects.filter(device=device)
    last = spans.aggregate(starts=Max("starts_at"), ends=Max("ends_at"))
    now = max(moment for moment in (timezone.now(), *last.values()) if moment is not None)
    spans.filter(ends_at=None).update(ends_at=now)
    if patient is not None:
        DeviceAssignment.objects.create(device=device, patient=patient, starts_at=now)


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
