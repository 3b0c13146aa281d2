"""Entries about one dose: a colleague's check, what became of it, and correcting an entry."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from compliance.errors import DomainError, EntryNotCorrectable, NotFound, NothingWasGiven
from compliance.models import Administration, MedicationOrder, Outcome, ScheduledDose
from compliance.orders.units import amount_words
from compliance.selectors import scope_for, within_scope
from compliance.selectors.orders import check_for
from compliance.services.accesses import record_access
from compliance.services.administrations import check_dose, correct_entry, record_dose
from compliance.views.access import signed_in, visible_or_404
from compliance.views.order_forms import EntryForm
from compliance.views.order_words import entry_row
from compliance.views.step_up import require_fresh

RECORD, CHECK = "compliance.record_intake", "compliance.confirm_dose"


@require_http_methods(["GET", "POST"])
def record(request: HttpRequest, dose_id: int) -> HttpResponse:
    """Record that a dose was given, withheld or refused."""
    dose, order = _dose_or_404(request, dose_id, RECORD)
    record_access(user=request.user, patient=dose.patient, what="dose")
    now, zone = timezone.now(), ZoneInfo(dose.patient.time_zone)
    data = request.POST if request.method == "POST" else None
    form = EntryForm(zone, now, data, initial={"outcome": Outcome.GIVEN, "amount": f"{order.dose:g}"})
    if form.is_bound and form.is_valid():
        try:
            made = record_dose(dose=dose, user=signed_in(request), entry=form.entry(), now=now)
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"Recorded: {order.regimen.medication}, {made.get_outcome_display()}.")
            return redirect("compliance:orders", dose.patient_id)
    context = {
        "patient": dose.patient,
        "dose": dose,
        "order": order,
        "form": form,
        "unit": order.get_unit_display(),
        "check": check_for(dose, order.dose) if order.high_alert else None,
    }
    return render(request, "compliance/dose_record.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def check(request: HttpRequest, dose_id: int) -> HttpResponse:
    """Confirm, as a second person, a dose of a high-alert medicine."""
    dose, order = _dose_or_404(request, dose_id, CHECK)
    if not order.high_alert:
        raise NotFound
    require_fresh(request)
    record_access(user=request.user, patient=dose.patient, what="dose")
    problem = ""
    if request.method == "POST":
        try:
            amount = float(request.POST.get("amount", ""))
            check_dose(dose=dose, user=signed_in(request), amount=amount, now=timezone.now())
        except ValueError:
            problem = "Enter the amount that you see."
        except DomainError as error:
            problem = error.message
        else:
            words = amount_words(amount, order.unit)
            messages.success(request, f"Checked: {order.regimen.medication}, {words}. A colleague gives it now.")
            return redirect("compliance:orders", dose.patient_id)
    context = {"patient": dose.patient, "dose": dose, "order": order, "problem": problem}
    return render(request, "compliance/dose_check.html", context, status=400 if problem else 200)


@require_http_methods(["GET", "POST"])
def correct(request: HttpRequest, administration_id: int) -> HttpResponse:
    """Write the entry that takes the place of a wrong one."""
    related = ("patient", "dose", "order__regimen__medication", "recorded_by", "check_used__checked_by", "intake")
    rows = within_scope(Administration.objects.select_related(*related), scope_for(signed_in(request), RECORD))
    entry = visible_or_404(rows, pk=administration_id)
    record_access(user=request.user, patient=entry.patient, what="dose")
    now, zone = timezone.now(), ZoneInfo(entry.patient.time_zone)
    data = request.POST if request.method == "POST" else None
    initial = {"outcome": Outcome.VOID, "amount": f"{entry.order.dose:g}"}
    form = EntryForm(zone, now, data, correcting=True, initial=initial)
    if form.is_bound and form.is_valid():
        becomes = form.entry()
        try:
            correct_entry(entry=entry, user=signed_in(request), becomes=becomes, reason=becomes.reason, now=now)
        except (EntryNotCorrectable, NothingWasGiven) as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Corrected. The first entry stays, struck out.")
            return redirect("compliance:orders", entry.patient_id)
    context = {
        "patient": entry.patient,
        "row": entry_row(entry, zone),
        "form": form,
        "unit": entry.order.get_unit_display(),
    }
    return render(request, "compliance/entry_correct.html", context, status=400 if form.errors else 200)


def _dose_or_404(request: HttpRequest, dose_id: int, action: str) -> tuple[ScheduledDose, MedicationOrder]:
    """Return a dose on which the user may do `action`, with its order."""
    joined = ScheduledDose.objects.select_related("patient", "regimen__medication")
    scope = scope_for(signed_in(request), action, once_confirmed=action == CHECK)  # `check` asks for the factor
    dose = visible_or_404(within_scope(joined, scope), pk=dose_id)
    orders = MedicationOrder.objects.select_related("patient", "regimen__medication")
    return dose, visible_or_404(orders, regimen=dose.regimen_id)
