"""The list of alerts, one alert with its delivery proof, and what people may do with it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, reverse
from django.urls import resolve as resolve_path
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from compliance.models import User
from compliance.selectors import patients_for
from compliance.selectors.identities import by_name
from compliance.services.accesses import record_access, record_list_access
from compliance.views.access import may_once_confirmed, patient_or_404, require, visible_or_404
from twin.alerts.priority import Priority
from twin.models import Alert
from twin.selectors.alerts import (
    ACKNOWLEDGE,
    VIEW,
    AlertFilter,
    actions_on,
    alerts_for,
    cards_for,
    delivery_proof,
    filtered,
    history_of,
)
from twin.services import alert_actions
from twin.services.alert_actions import AlertNotInState

HISTORY_PAGE = 50
IN_PANEL = 8


@require_GET
def alert_list(request: HttpRequest) -> HttpResponse:
    """Show open alerts by urgency, or the history: `?show=history&priority=high&patient=<uuid>`."""
    user = require(request, VIEW)
    asked = AlertFilter.read(request.GET.dict())
    found = filtered(alerts_for(user), asked)
    page = Paginator(found, HISTORY_PAGE).get_page(request.GET.get("page"))
    offered = by_name(patients_for(user, VIEW))  # the filter names everybody in reach
    record_list_access(user=user, patients=[patient.pk for patient in offered], what="alerts")
    context = {
        "cards": cards_for(user, page.object_list),
        "page": page,
        "filter": asked,
        "priorities": list(Priority),
        "patients": offered,
        "where": "list",
        "here": request.get_full_path(),
    }
    return render(request, "twin/_alert_list.html" if request.htmx else "twin/alerts.html", context)  # type: ignore[attr-defined]


@require_GET
def alert_detail(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Show one alert: what happened, who was told and when, who did what."""
    user = require(request, VIEW)
    alert = visible_or_404(alerts_for(user), pk=alert_id)
    record_access(user=user, patient=alert.patient, what="alert")
    context = {
        "card": cards_for(user, [alert])[0],
        "proof": delivery_proof(alert),
        "actions": actions_on(alert),
        "here": request.path,
    }
    return render(request, "twin/alert.html", context)


@require_GET
def alerts_panel(request: HttpRequest, patient_id: UUID) -> HttpResponse:
    """Show one patient's unresolved alerts and the last ones that ended."""
    patient = patient_or_404(request, patient_id, VIEW)
    user = require(request, VIEW)
    record_access(user=user, patient=patient, what="patient_page", refreshing=True)
    context = {
        "patient": patient,
        "cards": cards_for(user, filtered(alerts_for(user), AlertFilter(patient=patient.pk))),
        "recent": history_of(alerts_for(user).filter(patient=patient))[:IN_PANEL],
        "may_set_limits": may_once_confirmed(user, "twin.set_limits", patient),
        "where": "panel",
        "here": reverse("twin:patient", args=[patient.pk]),
    }
    return render(request, "twin/_alerts_panel.html", context)


@require_POST
def acknowledge(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Take an alert on."""
    return _act(request, alert_id, alert_actions.acknowledge)


@require_POST
def snooze(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Take an alert on for a quarter of an hour."""
    return _act(request, alert_id, alert_actions.snooze)


@require_POST
def resolve(request: HttpRequest, alert_id: int) -> HttpResponse:
    """End an alert with a reason."""
    return _act(request, alert_id, alert_actions.resolve, reason=request.POST.get("reason", ""))


@require_POST
def reopen(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Take back an acknowledgement or a snooze."""
    return _act(request, alert_id, alert_actions.reopen)


def _act(request: HttpRequest, alert_id: int, act: Callable[..., Alert], **more: str) -> HttpResponse:
    """Do it and answer the alert's card; without JavaScript, go back to where the person came from."""
    user = require(request, ACKNOWLEDGE)
    note = ""
    try:
        act(alert_id=alert_id, user=user, **more)
    except AlertNotInState as error:  # a colleague was faster: show what is true now
        note = error.message
    record_access(user=user, patient=Alert.objects.select_related("patient").get(pk=alert_id).patient, what="alert")
    if request.htmx:  # type: ignore[attr-defined]
        return _card(request, user, alert_id, note)
    if note:
        messages.info(request, note)
    return redirect(_back(request))


def _card(request: HttpRequest, user: User, alert_id: int, note: str) -> HttpResponse:
    alert = visible_or_404(alerts_for(user), pk=alert_id)
    here = _back(request)
    where = {"twin:patient": "panel", "twin:alerts": "list"}.get(_name_of(here), "page")
    context = {"card": cards_for(user, [alert])[0], "note": note, "where": where, "here": here}
    return render(request, "twin/_alert.html", context)


def _back(request: HttpRequest) -> str:
    """Return the page of ours that the form names, or the list."""
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else reverse("twin:alerts")


def _name_of(address: str) -> str:
    try:
        return resolve_path(urlsplit(address).path).view_name
    except Resolver404:
        return ""
