"""What of this package gets over age, kind by kind. Nothing of people under a legal hold is counted or removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet

from compliance.models import (
    AccessRecord,
    Administration,
    BrowserSession,
    ComplianceReport,
    Correction,
    EmergencyAccess,
    MedicationOrder,
    Notice,
    PrivacyRequest,
    Regimen,
    RiskEstimate,
    ScheduledDose,
)
from compliance.privacy.requests import WAITING
from compliance.privacy.retention import Held, Kind, register_kinds
from compliance.selectors.corrections import BESIDE
from compliance.services.erasing import delete_some


def register() -> None:
    """Tell the registry; called once from AppConfig.ready."""
    register_kinds(
        [
            Kind("treatment_records", "Regimens with their orders and doses", _count_regimens, _remove_regimens),
            Kind("accountability", "Looks at records, and emergency accesses", _count_looks, _remove_looks),
            _simple("estimates", "Estimates of risk", _estimates),
            _simple("reports", "Compliance reports", _reports),
            _simple("requests", "Closed requests of patients", _requests),
            _simple("notices", "Notices that somebody took on", _notices),
            Kind("sign_ins", "Ended sessions and failed sign-ins", _count_sign_ins, _remove_sign_ins),
        ]
    )


def _simple(key: str, words: str, over_age: Callable[[datetime, Held], QuerySet[Any]]) -> Kind:
    return Kind(
        key,
        words,
        lambda before, held: over_age(before, held).count(),
        lambda before, held, limit: delete_some(over_age(before, held), limit),
    )


def _regimens(before: datetime, held: Held) -> QuerySet[Regimen]:
    """Return regimens of which nothing happened since `before`, and of which nothing will."""
    ended = Q(stopped_at__lt=before) | Q(ends_on__lt=before.date())
    young_doses = ScheduledDose.objects.filter(closes_at__gte=before).values("regimen")
    young_entries = Administration.objects.filter(recorded_at__gte=before).values("order__regimen")
    return (
        Regimen.objects.filter(ended)
        .exclude(patient__in=held)
        .exclude(pk__in=young_doses)
        .exclude(pk__in=young_entries)
    )


def _count_regimens(before: datetime, held: Held) -> int:
    return _regimens(before, held).count()


def _remove_regimens(before: datetime, held: Held, limit: int) -> int:
    keys = list(_regimens(before, held).order_by("pk").values_list("pk", flat=True)[:limit])
    # A newer order hangs on the one that it took the place of, and would go with it.
    younger = MedicationOrder.objects.filter(supersedes__regimen__in=keys).exclude(regimen__in=keys)
    younger.update(supersedes=None)
    Regimen.objects.filter(pk__in=keys).delete()
    return len(keys)


def _looks(before: datetime, held: Held) -> QuerySet[AccessRecord]:
    return AccessRecord.objects.filter(at__lt=before).exclude(patient__in=held)


def _emergencies(before: datetime, held: Held) -> QuerySet[EmergencyAccess]:
    found = EmergencyAccess.objects.filter(ends_at__lt=before, reviewed_at__lt=before)
    return found.exclude(patient__in=held)


def _count_looks(before: datetime, held: Held) -> int:
    return _looks(before, held).count() + _emergencies(before, held).count()


def _remove_looks(before: datetime, held: Held, limit: int) -> int:
    return delete_some(_looks(before, held), limit) or delete_some(_emergencies(before, held), limit)


def _estimates(before: datetime, held: Held) -> QuerySet[RiskEstimate]:
    return RiskEstimate.objects.filter(computed_at__lt=before).exclude(patient__in=held)


def _reports(before: datetime, held: Held) -> QuerySet[ComplianceReport]:
    """Reports show many patients: while anybody is under a hold, they all stay."""
    found = ComplianceReport.objects.filter(requested_at__lt=before)
    return found.none() if held else found


def _requests(before: datetime, held: Held) -> QuerySet[PrivacyRequest]:
    """An erasure that waits for kept parts keeps its request: the steps hang on it."""
    found = PrivacyRequest.objects.filter(closed_at__lt=before).exclude(state__in=WAITING).exclude(patient__in=held)
    # A dispute and a statement of disagreement stay with the record that they speak of (45 CFR 164.526(d)(5)).
    found = found.exclude(pk__in=Correction.objects.filter(BESIDE).values("request"))
    return found.exclude(erasure__isnull=False, erasure__finished_at__isnull=True)


def _notices(before: datetime, held: Held) -> QuerySet[Notice]:
    found = Notice.objects.filter(taken_at__lt=before)
    return found.none() if held else found  # what they are about is not told from outside


def _sessions(before: datetime) -> QuerySet[BrowserSession]:
    return BrowserSession.objects.filter(Q(ended_at__lt=before) | Q(touched_at__lt=before))


def _count_sign_ins(before: datetime, _held: Held) -> int:
    tried: int = sum(model.objects.filter(attempt_time__lt=before).count() for model in TRIED)
    return tried + _sessions(before).count() + Session.objects.filter(expire_date__lt=before).count()


def _remove_sign_ins(before: datetime, _held: Held, limit: int) -> int:
    for model in TRIED:
        if gone := delete_some(model.objects.filter(attempt_time__lt=before), limit):
            return gone
    return delete_some(_sessions(before), limit) or delete_some(Session.objects.filter(expire_date__lt=before), limit)


TRIED = (AccessAttempt, AccessFailureLog, AccessLog)
