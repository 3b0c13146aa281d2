"""Whether a gateway runs what was approved: an unknown measurement puts it into quarantine, by name."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from compliance.errors import DomainError
from compliance.models import EventCategory, NoticePriority, User
from compliance.services.events import record_event
from compliance.services.notices import raise_notice
from devices.models import Gateway, GatewayMeasurement, GatewayState


class NothingMeasured(DomainError):
    """The gateway has not shown what it runs, or shows something else by now: look at its page again."""

    code = "nothing_measured"


@transaction.atomic
def note_measurement(gateway_id: int, value: bytes) -> bool:
    """Note what a gateway showed, and tell whether it may connect with it.

    It may while nothing of it was approved yet, or when this was. Otherwise it is put into quarantine.
    """
    gateway = Gateway.objects.select_for_update().get(pk=gateway_id)
    shown, _ = GatewayMeasurement.objects.update_or_create(
        gateway=gateway, value=value.hex(), defaults={"seen_at": timezone.now()}
    )
    if shown.approved_at is not None or not gateway.measurements.exclude(approved_at=None).exists():
        return True
    if gateway.state == GatewayState.ACTIVE:
        _quarantine(gateway, shown)
    return False


def _quarantine(gateway: Gateway, shown: GatewayMeasurement) -> None:
    gateway.state = GatewayState.QUARANTINED
    gateway.save(update_fields=["state"])
    known = gateway.measurements.exclude(approved_at=None).values_list("value", flat=True)
    what = "its configuration" if any(one[:64] == shown.value[:64] for one in known if shown.value) else "its software"
    record_event(
        category=EventCategory.SECURITY,
        code="gateway_unattested",
        message=f"A gateway was quarantined: {what} is not what was approved.",
        ward_id=gateway.ward_id,
        gateway_id=gateway.pk,
        detail={"measurement": shown.value, "before": GatewayState.ACTIVE},
    )
    raise_notice(
        code="software_not_approved",
        subject=f"gateway-{gateway.pk}",
        message=f"A gateway was quarantined, because {what} is not what was approved. Watch its patients by hand.",
        priority=NoticePriority.HIGH,
        ward_id=gateway.ward_id,
        link=f"/devices/gateways/{gateway.pk}/",
    )


@transaction.atomic
def approve_measurement(*, gateway: Gateway, by: User | None = None, seen: str | None = None) -> GatewayMeasurement:
    """Approve what the gateway showed last; from then on it connects with approved measurements alone.

    seen: the measurement that the person looked at, where it was shown to one. Raises NothingMeasured, also when the
    gateway shows another one by now.
    """
    locked = Gateway.objects.select_for_update().get(pk=gateway.pk)
    newest = locked.measurements.first()
    if newest is None or not newest.value or seen not in (None, newest.value):
        raise NothingMeasured
    if newest.approved_at is None:
        newest.approved_at, newest.approved_by = timezone.now(), by
        newest.save(update_fields=["approved_at", "approved_by"])
        record_event(
            category=EventCategory.SECURITY,
            code="gateway_measurement_approved",
            message="What a gateway runs was approved.",
            ward_id=locked.ward_id,
            user=by,
            gateway_id=locked.pk,
            detail={"measurement": newest.value},
        )
    return newest


def pending_measurement(gateway: Gateway) -> GatewayMeasurement | None:
    """Return what a gateway showed last, where that is not approved though something else is."""
    newest = gateway.measurements.first()
    waits = newest is not None and newest.approved_at is None and bool(newest.value)
    return newest if waits and gateway.measurements.exclude(approved_at=None).exists() else None
