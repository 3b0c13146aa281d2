"""What workers do for the ground floor, by the clock."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from compliance.services.regimens import close_windows, plan_doses
from compliance.services.risk import refresh_all_risks


@shared_task  # type: ignore[untyped-decorator]
def close_dose_windows() -> int:
    """Plan the coming doses, and mark those missed whose window closed; return how many were."""
    plan_doses(now=timezone.now())
    return close_windows(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def refresh_risks() -> int:
    """Estimate the risk of every next dose whose history changed."""
    return refresh_all_risks(now=timezone.now())
