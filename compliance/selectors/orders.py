"""Reads of orders: what holds for a patient, what was given of a substance, and what is known about a dose."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import QuerySet

from compliance.models import Administration, DoseCheck, MedicationOrder, Outcome, Patient, ScheduledDose, User
from compliance.orders.guard import Given
from compliance.selectors.people import scope_for, within_scope

RECENT = timedelta(days=8)  # longer than the longest interval of the formulary and than any 24 hours


def open_orders(patient: Patient) -> QuerySet[MedicationOrder]:
    """Return the orders that hold, by medicine."""
    joined = MedicationOrder.objects.select_related("regimen__medication", "prescribed_by", "patient")
    return joined.filter(patient=patient, ended_at__isnull=True).order_by("regimen__medication__name", "pk")


def ended_orders(patient: Patient, limit: int = 30) -> list[MedicationOrder]:
    """Return versions that hold no more, the last ended first."""
    joined = MedicationOrder.objects.select_related("regimen__medication", "prescribed_by", "ended_by", "patient")
    return list(joined.filter(patient=patient, ended_at__isnull=False).order_by("-ended_at", "-pk")[:limit])


def standing_entries(patient: Patient) -> QuerySet[Administration]:
    """Return the entries that no other one corrects, taken-back ones left out."""
    return Administration.objects.filter(patient=patient, corrected_by__isnull=True).exclude(outcome=Outcome.VOID)


def correctable_entries(user: User, patient: Patient) -> QuerySet[Administration]:
    """Return the standing entries that this person may correct, the newest first."""
    mine = within_scope(standing_entries(patient), scope_for(user, "compliance.record_intake"))
    return mine.select_related("order__regimen__medication").order_by("-recorded_at")


def entries_of(patient: Patient, since: datetime) -> QuerySet[Administration]:
    """Return every entry since a moment, corrected ones too, the newest first."""
    related = ("order__regimen__medication", "dose", "recorded_by", "check_used__checked_by", "corrected_by")
    return Administration.objects.filter(patient=patient, recorded_at__gte=since).select_related(*related)


def given_of_substance(order: MedicationOrder, since: datetime) -> list[Given]:
    """Return what was given of the order's substance since a moment, under whichever order."""
    newest = standing_entries(order.patient).filter(order__atc=order.atc, outcome=Outcome.GIVEN)
    return [Given(at, amount) for at, amount in newest.filter(at__gte=since).order_by("at").values_list("at", "amount")]


def check_for(dose: ScheduledDose, amount: float) -> DoseCheck | None:
    """Return the newest check of this dose that no entry used, one of this amount before any other."""
    unused = list(
        DoseCheck.objects.filter(dose=dose, administration__isnull=True).select_related("checked_by", "order")
    )
    fitting = [check for check in unused if abs(check.amount - amount) <= 1e-9 * max(amount, 1.0)]
    return next(iter(fitting or unused), None)


def orders_of(doses: Iterable[ScheduledDose]) -> dict[int, MedicationOrder]:
    """Return the orders of these doses by regimen."""
    regimens = {dose.regimen_id for dose in doses}
    return {order.regimen_id: order for order in MedicationOrder.objects.filter(regimen__in=regimens)}


def checks_waiting(doses: Iterable[ScheduledDose], since: datetime) -> dict[int, DoseCheck]:
    """Return by dose the newest check since a moment that no entry used yet."""
    unused = DoseCheck.objects.filter(dose__in=list(doses), administration__isnull=True, checked_at__gte=since)
    return {check.dose_id: check for check in unused.select_related("checked_by", "order").order_by("checked_at")}
