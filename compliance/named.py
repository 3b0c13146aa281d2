"""What of this package can be named on the page of the policy: records, orders, entries of the log, reports."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Q, QuerySet

from compliance.models import LogEntry, MedicationOrder, Patient
from compliance.models.reports import ComplianceReport
from compliance.policy import Scope
from compliance.policy.finders import Finder, register_finders
from compliance.selectors.people import within_scope


def register() -> None:
    """Tell the registry; called once from AppConfig.ready."""
    register_finders(
        [
            Finder(
                "record",
                lambda: Patient.objects.select_related("ward"),
                title=lambda patient: f"Record {patient.medical_record_number}",
                called=lambda _: None,  # by number and name, as whatever belongs to a person
                patient_field="",
                whose=lambda patient: patient,
            ),
            Finder(
                "order",
                lambda: MedicationOrder.objects.select_related("patient__ward"),
                title=lambda order: f"Order {order.pk} of {order.prescribed_at:%Y-%m-%d}",
                called=by_key,
            ),
            Finder(
                "entry",
                lambda: LogEntry.objects.order_by("-pk"),
                title=lambda entry: f"Entry {entry.pk} of {entry.at:%Y-%m-%d %H:%M}",
                called=by_key,
                patient_field="patient_id",
                whose=lambda entry: Patient.objects.select_related("ward").filter(pk=entry.patient_id).first(),
                within=_entries,
            ),
            Finder(
                "report",
                lambda: ComplianceReport.objects.select_related("ward"),
                title=lambda report: f"Report of {report.ward.name} for {report.month:%Y-%m}",
                called=_report,
                patient_field=None,
                ward_field="ward_id",
                whose=lambda _: None,
            ),
        ]
    )


def by_key(text: str) -> Q | None:
    """Return the condition on a row whose number is `text`; None for what is no number."""
    return Q(pk=int(text)) if text.isascii() and text.isdigit() and len(text) < 18 else None


def _report(text: str) -> Q:
    try:
        return Q(month=date.fromisoformat(f"{text}-01"))
    except ValueError:
        return Q(ward__name__icontains=text)


def _entries(rows: QuerySet[LogEntry], scope: Scope) -> Any:
    people = within_scope(Patient.objects.order_by(), scope, patient_field="").values("pk")
    return rows.filter(Q(patient_id__in=people) | Q(patient_id__isnull=True, ward_id__in=scope.ward_ids))
