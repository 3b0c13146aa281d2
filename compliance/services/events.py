"""Keep a named fact. A flood of the same fact within a minute stays one row that counts."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from compliance.errors import DomainError
from compliance.models import Event, EventCategory, Patient, User

log = logging.getLogger(__name__)
FOLD_WITHIN = timedelta(minutes=1)


def record_event(
    *,
    category: EventCategory,
    code: str,
    message: str,
    patient: Patient | None = None,
    ward_id: int | None = None,
    user: User | None = None,
    device_id: int | None = None,
    gateway_id: int | None = None,
    detail: dict[str, object] | None = None,
    fold: bool = False,
) -> Event:
    """Store the fact and return it.

    With `fold`, the same code from the same device, gateway or person within a minute adds to the count of the row that
    is there, so that an attacker cannot fill the disk.
    """
    log.info("event %s %s device=%s gateway=%s", category, code, device_id, gateway_id)
    with transaction.atomic():
        if fold:
            recent = Event.objects.filter(
                code=code,
                device_id=device_id,
                gateway_id=gateway_id,
                patient=patient,
                user=user,
                at__gte=timezone.now() - FOLD_WITHIN,
            ).first()
            if recent is not None:
                Event.objects.filter(pk=recent.pk).update(count=F("count") + 1)
                recent.refresh_from_db(fields=["count"])
                return recent
        return Event.objects.create(
            category=category,
            code=code,
            message=message[:240],
            patient=patient,
            ward_id=ward_id if ward_id is not None else (patient.ward_id if patient else None),
            user=user,
            device_id=device_id,
            gateway_id=gateway_id,
            detail=detail or {},
        )


def record_error(error: DomainError, *, category: EventCategory, **where: Any) -> Event:
    """Store a refused input under the code of its error, folded."""
    return record_event(category=category, code=error.code, message=error.message, fold=True, **where)
