"""Wish something of a device: written down here, brought to its gateway at once, and told back when it is followed."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from compliance.errors import DomainError
from compliance.models import EventCategory, User
from compliance.services.events import record_event
from devices.gateway.edge.rules import RuleRefused
from devices.gateway.edge.wishes import rule_from
from devices.models import DesiredSettings, Device, DeviceState, Gateway
from devices.protocol.settings import MOST_EVERY_S, DeviceSettings
from devices.protocol.suites import SUITE_NAMES
from devices.services.locking import lock_with_gateways
from devices.services.registry import CipherRefused, check_suite
from devices.signals import device_changed

MEANWHILE = (
    "Nothing was saved: something else was wished of this device after this page was opened. "
    "Open it again to see what is wished by now."
)


class SettingsRefused(DomainError):
    """This cannot be wished of a device."""

    code = "settings_refused"


class SettingsChangedMeanwhile(SettingsRefused):
    """Somebody else wished something of the device after the page was made: nothing was saved."""

    code = "settings_changed_meanwhile"
    http_status = 409


def configure_device(
    *, device: Device, wanted: DeviceSettings, by: User | None = None, seen: int | None = None
) -> bool:
    """Wish that the device is told of like this, and tell whether that is new.

    seen: the number of the wish that was there when this one was made from it, 0 for none; SettingsChangedMeanwhile is
    raised where it is another by now. None: whatever is there. Its gateway's connection is ended within a second, so
    that the next welcome brings the wish. Raises SettingsRefused for a device that was retired, whose gateway was never
    paired, or for values out of bounds.
    """
    with transaction.atomic():
        locked, gateways = lock_with_gateways(device.pk)
        gateway = gateways[locked.gateway_id]
        if locked.state == DeviceState.RETIRED:
            raise SettingsRefused("A retired device is never used again.")
        if gateway.root_sealed is None:
            raise SettingsRefused("Its gateway was never paired, and takes nothing from here: pair it first.")
        before = DesiredSettings.objects.filter(device=locked).first()
        known = before.wanted if before else None
        if wanted == known:
            return False
        if seen is not None and seen != (before.number if before else 0):
            raise SettingsChangedMeanwhile(MEANWHILE)
        _check(locked, wanted, known or DeviceSettings())
        Gateway.objects.filter(pk=gateway.pk).update(settings_number=F("settings_number") + 1)
        gateway.refresh_from_db(fields=["settings_number"])
        DesiredSettings.objects.update_or_create(
            device=locked,
            defaults={
                "number": gateway.settings_number,
                "every_s": wanted.every_s,
                "deflate": wanted.deflate,
                "suite": SUITE_NAMES[wanted.suite] if wanted.suite else None,
                "rules": wanted.rules,
                "set_at": timezone.now(),
                "set_by": by,
            },
        )
        record_event(
            category=EventCategory.OPERATION,
            code="device_configured",
            message="How a device is told of was changed.",
            patient=locked.patient,
            ward_id=gateway.ward_id,
            user=by,
            device_id=locked.pk,
            gateway_id=gateway.pk,
            detail={"number": gateway.settings_number, "before": _plain(known), "after": _plain(wanted)},
        )
        transaction.on_commit(lambda: device_changed.send(Device, device_id=locked.pk))
    return True


def _check(device: Device, wanted: DeviceSettings, known: DeviceSettings) -> None:
    """Raise SettingsRefused for what a gateway would refuse as well, or what the house does not allow.

    What stays as it was is not judged: a house that forbids a cipher or a rule later still changes the rest.
    """
    if not 0.0 <= wanted.every_s <= MOST_EVERY_S:
        raise SettingsRefused(f"A value is sent at least every {MOST_EVERY_S:g} s.")
    if wanted.suite and wanted.suite not in SUITE_NAMES:
        raise SettingsRefused(f"There is no cipher {wanted.suite}.")
    try:
        if wanted.suite != known.suite:
            check_suite(SUITE_NAMES[wanted.suite] if wanted.suite else None)
        for name, wish in (wanted.rules or {}).items():
            if wish != (known.rules or {}).get(name):
                rule_from(name, device.kind, wish)
    except (CipherRefused, RuleRefused) as error:
        raise SettingsRefused(error.message) from error


def rename_device(*, device: Device, label: str, by: User | None = None) -> bool:
    """Call the device otherwise, and tell whether that is new. Names are not in the log: people write people's into."""
    with transaction.atomic():
        locked = Device.objects.select_for_update(of=("self",)).select_related("gateway", "patient").get(pk=device.pk)
        if locked.label == label:
            return False
        locked.label = label
        locked.save(update_fields=["label"])
        record_event(
            category=EventCategory.OPERATION,
            code="device_renamed",
            message="A device was given another name.",
            patient=locked.patient,
            ward_id=locked.gateway.ward_id,
            user=by,
            device_id=locked.pk,
            gateway_id=locked.gateway_id,
        )
        transaction.on_commit(lambda: device_changed.send(Device, device_id=locked.pk))
    return True


def _plain(one: DeviceSettings | None) -> dict[str, object] | None:
    if one is None:
        return None
    suite = {"suite": one.suite} if one.suite else {}
    rules = {} if one.rules is None else {"rules": one.rules}
    return {"every_s": one.every_s, "deflate": one.deflate, **suite, **rules}
