"""The retention schedule for people: what it says, what it would remove today, and what it removed."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from compliance.errors import DomainError
from compliance.models import RetentionRun
from compliance.selectors.privacy_requests import MANAGE
from compliance.selectors.retention import active_schedule, held_patients
from compliance.services.rates import Limit
from compliance.services.retention import Due, due_now
from compliance.views.access import require
from compliance.views.marks import limited

RUNS_SHOWN = 14
COUNTS = Limit("retention", 30)  # each counts over whole tables


@limited(COUNTS)
@require_GET
def retention_page(request: HttpRequest) -> HttpResponse:
    """Show the schedule, with how much is over age now, and the last runs."""
    require(request, MANAGE)
    rules: list[Due] = []
    problem = name = ""
    try:
        name, rules = active_schedule().name, list(due_now(timezone.now()))
    except DomainError as error:
        problem = error.message
    runs = [(run, sum(run.removed.values())) for run in RetentionRun.objects.all()[:RUNS_SHOWN]]
    context = {"rules": rules, "problem": problem, "name": name, "runs": runs, "held": len(held_patients())}
    return render(request, "compliance/retention.html", context)
