"""The HL7 pages: receivers and their outboxes, setting one up, sending a refused message again."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compliance.errors import DomainError, NotFound
from compliance.services.accesses import record_list_access
from compliance.views.access import require, visible_or_404
from compliance.views.step_up import require_fresh
from devices.forms import HL7DestinationForm
from devices.models import HL7Destination
from devices.selectors.hl7 import CONFIGURE, destination_rows, destinations_for, messages_for, outbox
from devices.services.hl7_delivery import resend
from devices.services.hl7_destinations import remove_destination, save_destination, set_enabled


@require_GET
def destination_list(request: HttpRequest) -> HttpResponse:
    """Show the receivers and how their outboxes stand; htmx asks for the table alone."""
    user = require(request, CONFIGURE)
    context = {"rows": destination_rows(destinations_for(user))}
    partial = request.headers.get("HX-Target") == "receivers"
    return render(request, "devices/_hl7_table.html" if partial else "devices/hl7.html", context)


@require_GET
def destination_page(request: HttpRequest, destination_id: int) -> HttpResponse:
    """Show one receiver: its last answer, what waits and what it refused."""
    destination = _mine(request, destination_id)
    row = destination_rows(HL7Destination.objects.filter(pk=destination.pk))[0]
    waiting = outbox(destination)
    record_list_access(user=request.user, patients=[message.patient_id for message in waiting], what="hl7_outbox")
    context = {"row": row, "destination": destination, "outbox": waiting}
    partial = request.headers.get("HX-Target") == "outbox"
    return render(request, "devices/_hl7_outbox.html" if partial else "devices/hl7_destination.html", context)


@require_http_methods(["GET", "POST"])
def new_destination(request: HttpRequest) -> HttpResponse:
    """Ask for a new receiver (GET) and store it (POST)."""
    require(request, CONFIGURE)
    require_fresh(request)
    return _edit(request, None)


@require_http_methods(["GET", "POST"])
def edit_destination(request: HttpRequest, destination_id: int) -> HttpResponse:
    """Show what a receiver is told (GET) and change it (POST)."""
    destination = _mine(request, destination_id)
    require_fresh(request)
    return _edit(request, destination)


@require_POST
def change_destination(request: HttpRequest, destination_id: int, act: str) -> HttpResponse:
    """Pause a receiver, let it go on, or remove it with everything that waits for it."""
    destination = _mine(request, destination_id)
    require_fresh(request)
    user = require(request, CONFIGURE)
    if act == "remove":
        remove_destination(destination=destination, by=user)
        messages.success(request, f"{destination.name} is removed; nothing more goes there.")
        return HttpResponseRedirect(reverse("devices:hl7"))
    if act not in {"pause", "resume"}:
        raise NotFound
    set_enabled(destination=destination, enabled=act == "resume", by=user)
    return HttpResponseRedirect(reverse("devices:hl7_destination", args=[destination.pk]))


@require_POST
def resend_message(request: HttpRequest, message_id: int) -> HttpResponse:
    """Put a refused message back into the queue."""
    user = require(request, CONFIGURE)
    message = visible_or_404(messages_for(user), pk=message_id)
    require_fresh(request)
    resend(message=message, by=user)
    return HttpResponseRedirect(reverse("devices:hl7_destination", args=[message.destination_id]))


def _mine(request: HttpRequest, destination_id: int) -> HL7Destination:
    return visible_or_404(destinations_for(require(request, CONFIGURE)), pk=destination_id)


def _edit(request: HttpRequest, destination: HL7Destination | None) -> HttpResponse:
    user = require(request, CONFIGURE)
    form = HL7DestinationForm(request.POST or None, instance=destination, user=user)
    if request.method == "POST" and form.is_valid():
        try:
            made = save_destination(destination=form.save(commit=False), wards=form.cleaned_data["wards"], by=user)
        except DomainError as error:
            form.add_error("client_certificate", error.message)
        else:
            return HttpResponseRedirect(reverse("devices:hl7_destination", args=[made.pk]))
    context = {"form": form, "destination": destination}
    return render(request, "devices/hl7_edit.html", context, status=400 if form.errors else 200)
