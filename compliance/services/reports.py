"""Ask for a monthly report, make it, and note who took it away."""

from __future__ import annotations

import json
import logging
from datetime import date, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from compliance.errors import ReportNotReady
from compliance.models import ComplianceReport, EventCategory, ReportState, User, Ward
from compliance.report.document import digest_of, signed
from compliance.report.pdf import as_pdf
from compliance.selectors.reports import report_of
from compliance.services.events import record_event
from compliance.services.log_keys import log_signer, public_keys

log = logging.getLogger(__name__)
GIVEN_UP_AFTER = timedelta(minutes=10)


@transaction.atomic
def request_report(*, ward: Ward, month: date, user: User | None) -> ComplianceReport:
    """Store the wish for a report; a worker makes it. Raises ReportNotReady for a month that has not begun."""
    if month.replace(day=1) > timezone.now().date():
        raise ReportNotReady("This month has not begun.")
    report = ComplianceReport.objects.create(ward=ward, month=month.replace(day=1), requested_by=user)
    record_event(
        category=EventCategory.OPERATION,
        code="report_requested",
        message="A report of compliance was asked for.",
        ward_id=ward.pk,
        user=user,
        detail={"report": report.pk, "month": f"{month:%Y-%m}"},
    )
    return report


def make_waiting_reports() -> int:
    """Make the reports that nobody makes: asked for, or begun by a worker that was killed. Returns how many."""
    now, made = timezone.now(), 0
    waiting = Q(state=ReportState.QUEUED) | Q(state=ReportState.RUNNING, started_at__lt=now - GIVEN_UP_AFTER)
    for pk in ComplianceReport.objects.filter(waiting).order_by("pk").values_list("pk", flat=True):
        # The update decides between two workers: one of them finds the report taken.
        if ComplianceReport.objects.filter(waiting, pk=pk).update(state=ReportState.RUNNING, started_at=now):
            make_report(pk)
            made += 1
    return made


def make_report(pk: int) -> None:
    """Make a report. Done again, as after a killed worker, it is made anew."""
    report = ComplianceReport.objects.select_related("ward").get(pk=pk)
    _go_on(report, ReportState.RUNNING, 10)
    content = report_of(report.ward, report.month, now=timezone.now(), keys=public_keys())
    if content is None:
        _go_on(report, ReportState.FAILED, 0)
        log.warning("report %s: the log has no signed head yet", pk)
        return
    _go_on(report, ReportState.RUNNING, 60)
    digest = digest_of(content)
    pages = as_pdf(content, digest)
    report.pdf = pages
    report.document = json.dumps(signed(content, pages, log_signer()), ensure_ascii=False)
    report.digest, report.finished_at = digest, timezone.now()
    _go_on(report, ReportState.DONE, 100, "pdf", "document", "digest", "finished_at")


def _go_on(report: ComplianceReport, state: ReportState, progress: int, *fields: str) -> None:
    report.state, report.progress = state, progress
    report.save(update_fields=["state", "progress", *fields])


@transaction.atomic
def take_report(*, report: ComplianceReport, user: User, form: str) -> bytes:
    """Return a finished report, and record that it left the house. Raises ReportNotReady."""
    if report.state != ReportState.DONE or report.pdf is None:
        raise ReportNotReady
    record_event(
        category=EventCategory.SECURITY,
        code="report_downloaded",
        message="A report of compliance was downloaded.",
        ward_id=report.ward_id,
        user=user,
        detail={"report": report.pk, "form": form, "digest": report.digest},
    )
    return bytes(report.pdf) if form == "pdf" else report.document.encode()
