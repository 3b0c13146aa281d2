"""What Celery runs for the twin."""

from __future__ import annotations

from celery import shared_task

from twin.services import delivery, freshness, prediction
from twin.upkeep import duties


@shared_task  # type: ignore[untyped-decorator]
def watch_freshness() -> None:
    """Miss what does not come: stale metrics, silent devices and gateways."""
    freshness.watch_freshness()


@shared_task  # type: ignore[untyped-decorator]
def deliver_alerts() -> None:
    """Send unseen alerts again, wake snoozed ones, escalate what nobody has taken on."""
    delivery.deliver_alerts()


@shared_task  # type: ignore[untyped-decorator]
def refresh_predictions() -> None:
    """Look an hour ahead for everyone whose glucose is measured."""
    prediction.refresh_predictions()


@shared_task  # type: ignore[untyped-decorator]
def note_pulse() -> None:
    """Say that beat and a worker are there, for `manage.py check_house`."""
    duties.note_pulse()
