"""Monthly reports: ask for one, see how far it is, take it away."""

from __future__ import annotations

from datetime import date, datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from compliance.errors import NotFound, ReportNotReady
from compliance.models import ComplianceReport, Ward
from compliance.selectors import scope_for
from compliance.selectors.reports import reports_for
from compliance.services.log_keys import public_keys
from compliance.services.reports import request_report, take_report
from compliance.views.access import require, visible_or_404
from compliance.views.step_up import require_fresh

VIEW = "compliance.view_report"
SHOWN = 24
MEDIA = {"json": "application/json", "pdf": "application/pdf"}


@require_http_methods(["GET", "POST"])
def reports(request: HttpRequest) -> HttpResponse:
    """List reports (GET) and ask for one (POST)."""
    user = require(request, VIEW)
    wards = list(Ward.objects.filter(pk__in=scope_for(user, VIEW).ward_ids).order_by("name"))
    problem = ""
    if request.method == "POST":
        ward = next((ward for ward in wards if str(ward.pk) == request.POST.get("ward")), None)
        month = _month(request.POST.get("month", ""))
        if ward is None or month is None:
            problem = "Choose a ward and a month."
        else:
            try:
                request_report(ward=ward, month=month, user=user)
            except ReportNotReady as error:
                problem = error.message
            else:
                return redirect("compliance:reports")
    context = {
        "wards": wards,
        "reports": reports_for(user)[:SHOWN],
        "problem": problem,
        "this_month": f"{timezone.now():%Y-%m}",
        "keys": public_keys(),
    }
    return render(request, "compliance/reports.html", context, status=400 if problem else 200)


@require_GET
def report_row(request: HttpRequest, report_id: int) -> HttpResponse:
    """Show how far a report is."""
    report = visible_or_404(reports_for(require(request, VIEW)), pk=report_id)
    return render(request, "compliance/_report.html", {"report": report})


@require_GET
def download(request: HttpRequest, report_id: int, form: str) -> HttpResponse:
    """Give a finished report away, with a fresh second factor."""
    user = require(request, VIEW)
    visible_or_404(reports_for(user), pk=report_id)
    if form not in MEDIA:
        raise NotFound
    require_fresh(request)
    report = ComplianceReport.objects.get(pk=report_id)
    body = take_report(report=report, user=user, form=form)
    name = f"compliance-{report.month:%Y-%m}-{report.pk}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(body, content_type=MEDIA[form], headers=headers)


def _month(asked: str) -> date | None:
    try:
        return datetime.strptime(asked, "%Y-%m").date()  # noqa: DTZ007 a month of the calendar
    except ValueError:
        return None
