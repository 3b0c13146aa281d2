"""Rules that were wished for whoever wears a device end with that wearer: the next one has the gateway's own again."""

from __future__ import annotations

from django.db.models import F
from django.utils import timezone

from compliance.models import EventCategory, NoticePriority, User
from compliance.services.events import record_event
from compliance.services.notices import raise_notice
from devices.models import DesiredSettings, Device, Gateway

RESET, NOTICE = "device_rules_reset", "device_changed_hands"


def rules_end_with_wearer(device: Device, *, by: User | None) -> bool:
    """Wish the gateway's own rules again for a device that is about to change hands; tell whether any were wished.

    The row of the device is locked, in a transaction, and still names whom it leaves: the event is on that record. An
    empty wish and not none: the gateway answers to it rule by rule, and until then the page says that it is awaited.
    """
    wish = DesiredSettings.objects.filter(device=device).first()
    if wish is None or not wish.rules:
        return False
    Gateway.objects.filter(pk=device.gateway_id).update(settings_number=F("settings_number") + 1)
    gateway = Gateway.objects.get(pk=device.gateway_id)
    before, wish.rules = wish.rules, {}
    wish.number, wish.set_at, wish.set_by = gateway.settings_number, timezone.now(), by
    wish.save()
    record_event(
        category=EventCategory.CLINICAL,
        code=RESET,
        message="The rules wished for a device went back to its gateway's own: its wearer changed.",
        patient=device.patient,
        ward_id=gateway.ward_id,
        user=by,
        device_id=device.pk,
        gateway_id=gateway.pk,
        detail={"number": wish.number, "before": before},
    )
    raise_notice(
        code=NOTICE,
        subject=f"device-{device.pk}",
        message="A device changed hands: in place of the rules for its former wearer, its gateway's own are wished "
        "again. The page says whether the gateway follows. Set there what its wearer needs now.",
        priority=NoticePriority.MEDIUM,
        ward_id=gateway.ward_id,
        link=f"/devices/{device.pk}/rules/",
    )
    return True
