"""The queue of patients' requests, and the page on which most kinds of them are decided."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from compliance.errors import DomainError
from compliance.models import PrivacyRequest, User
from compliance.privacy.requests import WAITING, RequestState
from compliance.selectors.privacy_requests import MANAGE, requests_for
from compliance.services.accesses import record_access, record_list_access
from compliance.services.privacy_requests import close, decide, extend
from compliance.views.access import require, visible_or_404
from compliance.views.erasure_forms import FindForm
from compliance.views.privacy_forms import DecisionForm, DoneForm, ExtendForm
from compliance.views.privacy_request_words import KINDS, line_of
from compliance.views.step_up import require_fresh

PAGE = 50
TABS = (("waiting", "Waiting"), ("late", "Late"), ("closed", "Closed"))


@require_GET
def queue(request: HttpRequest) -> HttpResponse:
    """List requests of the reader's wards, the most urgent first."""
    user = require(request, MANAGE)
    show, kind = request.GET.get("show", "waiting"), request.GET.get("kind", "")
    found = requests_for(user)
    counts = {"waiting": found.filter(state__in=WAITING).count(), "late": _late(found).count()}
    if show == "late":
        found = _late(found)
    elif show == "closed":
        found = found.exclude(state__in=WAITING).order_by("-closed_at")
    else:
        show, found = "waiting", found.filter(state__in=WAITING)
    if kind in KINDS:
        found = found.filter(kind=kind)
    page, now = Paginator(found, PAGE).get_page(request.GET.get("page")), timezone.now()
    named = [row.patient_id for row in page if row.ward_id is None]  # a closed record names nobody
    record_list_access(user=user, patients=named, what="privacy_requests")
    context = {
        "find": FindForm(),
        "page": page,
        "lines": [line_of(row, now) for row in page],
        "show": show,
        "kind": kind,
        "kinds": [(value.value, words) for value, words in KINDS.items()],
        "tabs": [(value, words, counts.get(value)) for value, words in TABS],
        "others": urlencode({"show": show, "kind": kind}),
    }
    return render(request, "compliance/privacy.html", context)


def _late(found: QuerySet[PrivacyRequest]) -> QuerySet[PrivacyRequest]:
    return found.filter(state__in=WAITING, due_at__lt=timezone.now())


@require_http_methods(["GET", "POST"])
def request_page(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Show one request, decide it, take longer, or note that it is carried out."""
    user = require(request, MANAGE)
    # A correction that names its part is decided where the record changes with it.
    found = visible_or_404(requests_for(user).filter(correction=None), pk=request_id)
    if found.ward_id is None:  # of a closed record nothing is left to look at
        record_access(user=user, patient=found.patient, what="privacy_request")
    act = request.POST.get("act", "")
    forms = {
        "decide": DecisionForm(request.POST if act == "decide" else None),
        "extend": ExtendForm(request.POST if act == "extend" else None),
        "done": DoneForm(request.POST if act == "done" else None),
    }
    problem, now = "", timezone.now()
    if request.method == "POST":
        require_fresh(request)
        form = forms.get(act)
        problem = "Fill in what is marked."
        if form is not None and form.is_valid():
            try:
                said = _do(act, found, user, form.cleaned_data, now)
            except DomainError as error:
                problem = error.message
            else:
                messages.success(request, said)
                return HttpResponseRedirect(request.path)
    context = {
        "line": line_of(found, now),
        "found": found,
        "problem": problem,
        "own": found.asked_by_id == user.pk,
        "open": found.state == RequestState.OPEN,
        "approved": found.state == RequestState.APPROVED,
        "may_extend": found.waits and not found.extended_because and not found.overdue(now),
        "forms": forms,
    }
    return render(request, "compliance/privacy_request.html", context, status=400 if problem else 200)


def _do(act: str, found: PrivacyRequest, user: User, cleaned: dict[str, str], now: datetime) -> str:
    if act == "decide":
        granted = cleaned["verdict"] == "yes"
        decide(request=found, by=user, granted=granted, answer=cleaned["answer"], now=now)
        return "Granted. Note here when it is carried out." if granted else "Refused. The patient reads your answer."
    if act == "extend":
        extend(request=found, by=user, because=cleaned["because"], now=now)
        return "Two more months. The patient reads why."
    close(request=found, by=user, answer=cleaned["answer"], now=now)
    return "Done. The patient reads what was done."
