"""Prescribe, change and stop. Each act is one transaction with its event; a change is a new version, never an edit."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from compliance.adherence.measures import DoseState
from compliance.errors import OrderNotOpen, OrderRefused, ReasonNeeded
from compliance.models import (
    EndReason,
    EventCategory,
    Medication,
    MedicationOrder,
    Patient,
    Regimen,
    ScheduledDose,
    User,
)
from compliance.orders.formulary import Drug
from compliance.orders.prescription import Prescription, faults_of
from compliance.services.events import record_event
from compliance.services.regimens import plan_doses, plan_from
from compliance.signals import orders_changed

STOP_REASONS = tuple(reason for reason in EndReason if reason is not EndReason.CHANGED)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a version stands in its line."""

    line: uuid.UUID
    version: int = 1
    supersedes: MedicationOrder | None = None


@transaction.atomic
def prescribe(*, patient: Patient, user: User | None, wanted: Prescription, now: datetime) -> MedicationOrder:
    """Write a new order and plan its doses. Raises OrderRefused with a sentence for each field that is wrong."""
    _refuse_faults(wanted)
    _one_writer(patient)
    order = _write(patient, user, wanted, now, _Place(uuid.uuid4()))
    plan_doses(now=now, patients=[patient])
    orders_changed.send(sender=MedicationOrder, patient=patient, order=order)
    return order


@transaction.atomic
def change(*, order: MedicationOrder, user: User, wanted: Prescription, now: datetime) -> MedicationOrder:
    """Write the next version in place of `order`, which ends now. Doses not given yet follow the new version.

    Raises OrderNotOpen when somebody was faster, and OrderRefused.
    """
    _refuse_faults(wanted)
    if wanted.drug.key != order.drug_key:
        raise OrderRefused({"drug": "Another medicine is another order: stop this one and write a new one."})
    old = _open(order)
    cancelled = _end(old, user, EndReason.CHANGED, now)
    order = _write(old.patient, user, wanted, now, _Place(old.line, old.version + 1, old))
    # A dose that is due now and was not given falls to the new version, if it has one at that time.
    plan_from(order.regimen, start=min([*cancelled, now]), now=now)
    orders_changed.send(sender=MedicationOrder, patient=old.patient, order=order)
    return order


@transaction.atomic
def stop(*, order: MedicationOrder, user: User, reason: str, now: datetime) -> None:
    """End an order; its doses that were not given are cancelled. Raises OrderNotOpen and ReasonNeeded."""
    if reason not in STOP_REASONS:
        raise ReasonNeeded
    old = _open(order)
    _end(old, user, EndReason(reason), now)
    record_event(
        category=EventCategory.CLINICAL,
        code="dose_order_stopped",
        message="An order was stopped.",
        patient=old.patient,
        user=user,
        detail={"order": old.pk, "origin": "prescribed", "line": str(old.line), "atc": old.atc, "reason": reason},
    )
    orders_changed.send(sender=MedicationOrder, patient=old.patient, order=old)


def adopt(*, regimen: Regimen, drug: Drug, user: User | None, now: datetime) -> MedicationOrder:
    """Write the order that a plan without one stands for, with the house's limits: for demonstrations and imports."""
    order = _order_of(regimen, _Place(uuid.uuid4()), user, now)
    _name_drug(order, drug)
    order.dose = regimen.units_per_dose * drug.per_piece
    order.max_single, order.max_daily = drug.max_single, drug.max_daily
    return _stored(order, origin="adopted")


def _refuse_faults(wanted: Prescription) -> None:
    if faults := faults_of(wanted):
        raise OrderRefused(faults)


def _one_writer(patient: Patient) -> None:
    """Let one person at a time write this patient's orders and entries. Alerts can be inserted meanwhile."""
    Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)


def _open(order: MedicationOrder) -> MedicationOrder:
    _one_writer(order.patient)
    locked = MedicationOrder.objects.select_for_update(of=("self",)).select_related("patient", "regimen")
    found = locked.get(pk=order.pk)
    if found.ended_at is not None:
        raise OrderNotOpen
    return found


def _end(order: MedicationOrder, user: User, reason: EndReason, now: datetime) -> list[datetime]:
    """End a version and cancel what it had planned; return when the cancelled doses were due."""
    order.ended_at, order.ended_by, order.end_reason = now, user, reason.value
    order.save(update_fields=["ended_at", "ended_by", "end_reason"])
    order.regimen.stopped_at = now
    order.regimen.save(update_fields=["stopped_at"])
    waiting = ScheduledDose.objects.filter(regimen=order.regimen, state=DoseState.PENDING, closes_at__gt=now)
    due = list(waiting.values_list("due_at", flat=True))
    waiting.update(state=DoseState.SKIPPED.value, changed_at=now)
    return due


def _write(patient: Patient, user: User | None, wanted: Prescription, now: datetime, place: _Place) -> MedicationOrder:
    drug = wanted.drug
    medication, _ = Medication.objects.get_or_create(
        name=drug.name, strength=drug.strength, form=drug.form, defaults={"unit_weight_g": drug.weight_g}
    )
    regimen = Regimen.objects.create(
        patient=patient,
        medication=medication,
        units_per_dose=wanted.pieces,
        times=[f"{clock:%H:%M}" for clock in sorted(wanted.times)],
        weekdays=None if wanted.weekdays is None else sorted(wanted.weekdays),
        early_minutes=wanted.early_minutes,
        late_minutes=wanted.late_minutes,
        starts_on=wanted.starts_on,
        ends_on=wanted.ends_on,
        in_pillbox=wanted.in_pillbox,
        recorded_at=now,
    )
    order = _order_of(regimen, place, user, now)
    _name_drug(order, drug)
    order.dose, order.max_single, order.max_daily = wanted.dose, wanted.max_single, wanted.max_daily
    return _stored(order)


def _name_drug(order: MedicationOrder, drug: Drug) -> None:
    order.drug_key, order.atc, order.unit, order.high_alert = drug.key, drug.atc, drug.unit.value, drug.high_alert
    order.min_interval_minutes = round(drug.min_hours * 60)


def _order_of(regimen: Regimen, place: _Place, user: User | None, now: datetime) -> MedicationOrder:
    return MedicationOrder(
        line=place.line,
        version=place.version,
        supersedes=place.supersedes,
        patient=regimen.patient,
        regimen=regimen,
        prescribed_by=user,
        prescribed_at=now,
    )


def _stored(order: MedicationOrder, origin: str = "prescribed") -> MedicationOrder:
    """Save a new version and record it, with the codes and numbers that rules over the log need."""
    order.save(force_insert=True)
    record_event(
        category=EventCategory.CLINICAL,
        code="dose_ordered",
        message="A medicine was ordered.",
        patient=order.patient,
        user=order.prescribed_by,
        detail={
            "order": order.pk,
            "origin": origin,
            "line": str(order.line),
            "version": order.version,
            "supersedes": order.supersedes_id,
            "atc": order.atc,
            "dose": order.dose,
            "unit": order.unit,
            "max_single": order.max_single,
            "max_daily": order.max_daily,
            "min_interval_s": order.min_interval_minutes * 60,
            "high_alert": bool(order.high_alert),
            "ends_at": order.ends_at.isoformat() if order.ends_at else None,
        },
    )
    return order
