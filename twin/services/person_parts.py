"""Alarms and expectations about a person, and how they go."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Max

from compliance.privacy.erasers import Fate, Part, register_parts
from compliance.services.erasing import delete_some
from twin.models import Alert, AlertLimit, Prediction


def register() -> None:
    """Tell the registry; called once from AppConfig.ready."""
    register_parts(
        [
            Part(
                "expectations", "Forecasts and own alarm limits", Fate.DELETED, 30,
                frozenset({"twin.Prediction", "twin.AlertLimit"}), _erase_expectations,
            ),
            Part(
                "alarms", "Alarms and who answered them", Fate.DELETED, 65,
                frozenset({"twin.Alert", "twin.AlertStep"}), _erase_alarms, _newest_alarm, "treatment_records",
            ),
        ]
    )  # fmt: skip


def _erase_expectations(patient_id: UUID, limit: int) -> int:
    return delete_some(Prediction.objects.filter(patient_id=patient_id), limit) or delete_some(
        AlertLimit.objects.filter(patient_id=patient_id), limit
    )


def _erase_alarms(patient_id: UUID, limit: int) -> int:
    return delete_some(Alert.objects.filter(patient_id=patient_id), limit)


def _newest_alarm(patient_id: UUID) -> datetime | None:
    newest: datetime | None = Alert.objects.filter(patient_id=patient_id).aggregate(at=Max("raised_at"))["at"]
    return newest
