"""The medication page: what is ordered for a patient, its history, and writing, changing and stopping an order."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from compliance.errors import NotFound, OrderRefused
from compliance.models import MedicationOrder, Patient
from compliance.orders.formulary import Drug, formulary
from compliance.selectors import scope_for, within_scope
from compliance.selectors.adherence import doses_of_today, local_today
from compliance.selectors.orders import ended_orders, entries_of, open_orders
from compliance.services.accesses import record_access
from compliance.services.orders import STOP_REASONS, change, prescribe, stop
from compliance.views.access import may_once_confirmed, patient_or_404, require, signed_in, visible_or_404
from compliance.views.order_forms import OrderForm, initial_of
from compliance.views.order_words import dose_rows, entry_row, order_card
from compliance.views.step_up import require_fresh

VIEW, PRESCRIBE = "compliance.view_adherence", "compliance.prescribe"
ENTRIES_SHOWN = timedelta(days=7)


@require_GET
def orders_page(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show the orders that hold, today's doses under them, what was recorded, and earlier versions."""
    patient = patient_or_404(request, patient_id, VIEW)
    record_access(user=request.user, patient=patient, what="orders")
    user, now, zone = signed_in(request), timezone.now(), ZoneInfo(patient.time_zone)
    orders = list(open_orders(patient))
    context = {
        "patient": patient,
        "cards": [order_card(order) for order in orders],
        "doses": dose_rows(doses_of_today(patient, now), user, zone, now),
        "entries": [entry_row(entry, zone) for entry in entries_of(patient, now - ENTRIES_SHOWN)],
        "history": [order_card(order) for order in ended_orders(patient)],
        "may_prescribe": may_once_confirmed(user, PRESCRIBE, patient),
        "may_record": may_once_confirmed(user, "compliance.record_intake", patient),
        "may_check": may_once_confirmed(user, "compliance.confirm_dose", patient),
    }
    return render(request, "compliance/orders.html", context)


@require_http_methods(["GET", "POST"])
def new_order(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Choose a medicine (GET without one), then write the order."""
    patient = patient_or_404(request, patient_id, PRESCRIBE)
    require_fresh(request)
    record_access(user=request.user, patient=patient, what="orders")
    drug = formulary().get(request.GET.get("drug", ""))
    if drug is None:
        drugs = sorted(formulary().values(), key=lambda drug: drug.label)
        return render(request, "compliance/order_drug.html", {"patient": patient, "drugs": drugs})
    form = _form(request, patient, drug)
    if form.is_bound and form.is_valid():
        try:
            order = prescribe(patient=patient, user=signed_in(request), wanted=form.prescription(), now=timezone.now())
        except OrderRefused as error:
            form.refuse(error.faults)
        else:
            messages.success(request, f"Ordered: {drug.name}, {order.dose_words}.")
            return redirect("compliance:orders", patient.pk)
    return _form_page(request, patient, form, drug)


@require_http_methods(["GET", "POST"])
def change_order(request: HttpRequest, order_id: int) -> HttpResponse:
    """Write the next version of an order."""
    order = _order_or_404(request, order_id)
    drug = order.drug
    if drug is None:
        raise NotFound("This medicine is in the formulary no more: stop the order and write a new one.")
    form = _form(request, order.patient, drug, order)
    if form.is_bound and form.is_valid():
        try:
            newer = change(order=order, user=signed_in(request), wanted=form.prescription(), now=timezone.now())
        except OrderRefused as error:
            form.refuse(error.faults)
        else:
            messages.success(request, f"Changed: {drug.name}, {newer.dose_words}. This is version {newer.version}.")
            return redirect("compliance:orders", order.patient_id)
    return _form_page(request, order.patient, form, drug, order)


@require_http_methods(["GET", "POST"])
def stop_order(request: HttpRequest, order_id: int) -> HttpResponse:
    """Ask for the reason, then stop an order."""
    order = _order_or_404(request, order_id)
    if request.method == "POST":
        stop(order=order, user=signed_in(request), reason=request.POST.get("reason", ""), now=timezone.now())
        messages.success(request, f"Stopped: {order.regimen.medication}. Doses not given yet are cancelled.")
        return redirect("compliance:orders", order.patient_id)
    context = {"patient": order.patient, "card": order_card(order), "reasons": STOP_REASONS}
    return render(request, "compliance/order_stop.html", context)


def _order_or_404(request: HttpRequest, order_id: int) -> MedicationOrder:
    """Return an open order that the user may write, once their second factor is fresh."""
    joined = MedicationOrder.objects.select_related("patient", "regimen__medication", "prescribed_by")
    order = visible_or_404(
        within_scope(joined, scope_for(signed_in(request), PRESCRIBE, once_confirmed=True)), pk=order_id
    )
    require(request, PRESCRIBE, order)
    require_fresh(request)
    record_access(user=request.user, patient=order.patient, what="orders")
    return order


def _form(request: HttpRequest, patient: Patient, drug: Drug, order: MedicationOrder | None = None) -> OrderForm:
    data = request.POST if request.method == "POST" else None
    initial = initial_of(order) if order else {"in_pillbox": drug.weight_g is not None}
    return OrderForm(drug, local_today(patient, timezone.now()), data, initial=initial)


def _form_page(
    request: HttpRequest, patient: Patient, form: OrderForm, drug: Drug, order: MedicationOrder | None = None
) -> HttpResponse:
    context = {"patient": patient, "form": form, "drug": drug, "order": order, "unit": drug.unit.label}
    return render(request, "compliance/order_form.html", context, status=400 if form.errors else 200)
