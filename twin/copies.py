"""What a copy of a record holds of this package: alarms, limits, and what was forecast."""

from __future__ import annotations

from compliance.copies.archive import CopyArchive
from compliance.copies.registry import Asked, register_part
from twin.models import Alert, AlertLimit, Prediction


def register_parts() -> None:
    """Register them."""
    register_part("alarms", _alarms)
    register_part("forecasts", _forecasts)


def _alarms(asked: Asked, archive: CopyArchive) -> None:
    found = Alert.objects.filter(patient=asked.patient, raised_at__lte=asked.at).order_by("raised_at")
    rows = (
        (
            alert.raised_at.isoformat(),
            alert.priority,
            alert.message,
            alert.state,
            alert.resolved_at.isoformat() if alert.resolved_at else "",
            alert.resolution,
        )
        for alert in found.iterator()
    )
    head = ("raised_at", "priority", "message", "state", "over_at", "how_it_ended")
    archive.csv("alarms.csv", "Alarms about you", head, rows)
    limits = AlertLimit.objects.filter(patient=asked.patient).order_by("pk")
    fields = [field.name for field in AlertLimit._meta.concrete_fields if not field.is_relation and field.name != "id"]
    archive.csv("alarm-limits.csv", "Limits set for you", fields, limits.values_list(*fields))


def _forecasts(asked: Asked, archive: CopyArchive) -> None:
    found = Prediction.objects.filter(patient=asked.patient).order_by("made_at")
    things = (
        {
            "made_at": row.made_at.isoformat(),
            "metric": row.metric,
            "step_s": row.step_s,
            "low": row.low,
            "middle": row.middle,
            "high": row.high,
        }
        for row in found.iterator()
    )
    archive.ndjson("forecasts.ndjson", "What was forecast for you", things)
