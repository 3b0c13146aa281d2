"""`manage.py compliance_report --month 2026-10 --ward "Ward 4"`: make a signed report at once and write its files."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from compliance.errors import ReportNotReady
from compliance.models import ComplianceReport, ReportState, Ward
from compliance.services.log_keys import public_keys
from compliance.services.reports import make_report, request_report


class Command(BaseCommand):
    """Make a report."""

    help = "Make the signed report of a ward's month: JSON with proofs, and PDF."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--month", required=True, help="such as 2026-10")
        parser.add_argument("--ward", required=True, help="the ward's name")
        parser.add_argument("--to", default=".", help="folder for the files")

    def handle(self, *, month: str, ward: str, to: str, **_: object) -> None:
        """Make the report and say where it lies and how to check it."""
        try:
            first = datetime.strptime(month, "%Y-%m").date()  # noqa: DTZ007 a month of the calendar
            report = request_report(ward=Ward.objects.get(name=ward), month=first, user=None)
        except (ValueError, Ward.DoesNotExist, ReportNotReady) as error:
            raise CommandError(
                f"Give a month such as 2026-10 that has begun, and the name of a ward: {error}"
            ) from error
        make_report(report.pk)
        report = ComplianceReport.objects.get(pk=report.pk)
        if report.state != ReportState.DONE or report.pdf is None:
            raise CommandError("The log has no signed head yet: start the house's log first.")
        place = Path(to) / f"compliance-{report.pk}-{month}"
        keys = public_keys()
        place.with_suffix(".json").write_text(report.document, encoding="utf-8")
        place.with_suffix(".pdf").write_bytes(bytes(report.pdf))
        self.stdout.write(f"{place}.json, .pdf and .keys, SHA-256 {report.digest}")
        place.with_suffix(".keys").write_text("\n".join([keys["log"], *keys["witnesses"], ""]), encoding="utf-8")
        self.stdout.write(f"python -m compliance.verify {place}.json --keys {place}.keys --pdf {place}.pdf")
