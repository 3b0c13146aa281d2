"""Counts refused input in memory and writes it down as folded events once a second: a flood must not slow the ward."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import F

from compliance.errors import DomainError
from compliance.models import Event, EventCategory, Patient
from compliance.services.events import record_error
from devices.errors import ReadingError

MOST_KEYS = 1000  # beyond this many different facts a second, they are counted per gateway only


Key = tuple[str, int | None, int | None]  # code, device id, gateway id


@dataclass(slots=True)
class Refused:
    """One fact and how often it happened."""

    error: DomainError
    count: int
    patient_id: UUID | None
    ward_id: int | None


class Refusals:
    """What was refused since the last flush."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # sockets note on the event loop, the writer notes and flushes in its thread
        self._noted: dict[Key, Refused] = {}

    def note(
        self,
        error: DomainError,
        *,
        count: int = 1,
        device_id: int | None = None,
        gateway_id: int | None = None,
        patient_id: UUID | None = None,
        ward_id: int | None = None,
    ) -> None:
        """Remember a refusal. `device_id` only for devices of the registry: anyone can claim any number."""
        with self._lock:
            key = (error.code, device_id, gateway_id)
            if key not in self._noted and len(self._noted) >= MOST_KEYS:
                key = (error.code, None, gateway_id)
            fact = self._noted.setdefault(key, Refused(error, 0, patient_id, ward_id))
            fact.count += count

    def flush(self) -> None:
        """Write the facts down. When the database refuses, they stay for the next time."""
        with self._lock:
            noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            with transaction.atomic():
                for (_, device_id, gateway_id), fact in noted.items():
                    self._record(fact, device_id, gateway_id)
        except DatabaseError:
            for (_, device_id, gateway_id), fact in noted.items():
                where = {"device_id": device_id, "gateway_id": gateway_id, "ward_id": fact.ward_id}
                self.note(fact.error, count=fact.count, patient_id=fact.patient_id, **where)
            raise

    @staticmethod
    def _record(fact: Refused, device_id: int | None, gateway_id: int | None) -> None:
        bad_data = isinstance(fact.error, ReadingError) or not fact.error.permanent
        event = record_error(
            fact.error,
            category=EventCategory.DATA_QUALITY if bad_data else EventCategory.SECURITY,
            patient=Patient.objects.filter(pk=fact.patient_id).first() if fact.patient_id else None,
            ward_id=fact.ward_id,
            device_id=device_id,
            gateway_id=gateway_id,
        )
        if fact.count > 1:
            Event.objects.filter(pk=event.pk).update(count=F("count") + fact.count - 1)
