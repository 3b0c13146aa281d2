"""What workers do for the ground floor, by the clock."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from compliance.fhir.bulk import work
from compliance.fhir.hooks import delivering
from compliance.services import erasure, exports, log_care, reports, retention, rule_trials
from compliance.services.regimens import close_windows, plan_doses
from compliance.services.risk import refresh_all_risks
from compliance.services.rules import evaluate_rules


@shared_task  # type: ignore[untyped-decorator]
def close_dose_windows() -> int:
    """Plan the coming doses, and mark those missed whose window closed; return how many were."""
    plan_doses(now=timezone.now())
    return close_windows(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def refresh_risks() -> int:
    """Estimate the risk of every next dose whose history changed."""
    return refresh_all_risks(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def read_log_by_rules() -> int:
    """Read on in the log with every rule in force; return how many violations were found."""
    return evaluate_rules()


@shared_task  # type: ignore[untyped-decorator]
def look_after_log() -> None:
    """Look whether the transparency log is sequenced and witnessed."""
    log_care.look_after_log(timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def go_on_with_trials() -> int:
    """Read on in the past with the drafts of rules that somebody tries; return how many were read to their end."""
    return rule_trials.go_on_with_trials()


@shared_task(name="compliance.tasks.run_export")  # type: ignore[untyped-decorator]
def run_export(export_id: str) -> None:
    """Do one bulk export, if it is due and nobody else does it."""
    work.run_export(UUID(export_id))


@shared_task(name="compliance.tasks.resume_exports")  # type: ignore[untyped-decorator]
def resume_exports() -> None:
    """Wake a worker for every export that waits or whose worker went silent, and remove those that expired."""
    exports.resume(now=timezone.now())


@shared_task(name="compliance.tasks.tell_subscribers")  # type: ignore[untyped-decorator]
def tell_subscribers() -> None:
    """Wake a worker for every subscription that nobody works on."""
    for subscription_id in delivering.due(timezone.now()):
        tell_subscriber.apply_async([str(subscription_id)], expires=60)


@shared_task(name="compliance.tasks.tell_subscriber")  # type: ignore[untyped-decorator]
def tell_subscriber(subscription_id: str) -> int:
    """Collect for one subscription and send what waits; return how many notices were taken."""
    return delivering.work_on(UUID(subscription_id))


@shared_task  # type: ignore[untyped-decorator]
def remove_over_age() -> None:
    """Remove what the retention schedule says is over age."""
    retention.remove_over_age(now=timezone.now())


@shared_task(name="compliance.tasks.run_erasure")  # type: ignore[untyped-decorator]
def run_erasure(erasure_id: str) -> None:
    """Go on with one erasure, if it is due and nobody else does it."""
    erasure.run_erasure(UUID(erasure_id))


@shared_task  # type: ignore[untyped-decorator]
def resume_erasures() -> int:
    """Wake a worker for every erasure that can go on; return how many there are."""
    return erasure.resume_erasures(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def make_reports() -> int:
    """Make the monthly reports that somebody asked for; return how many."""
    return reports.make_waiting_reports()
