"""Estimate the risk of missing the next dose, and keep it with its reasons."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from compliance.adherence.reasons import reasons
from compliance.adherence.risk import shipped
from compliance.models import Patient, RiskEstimate
from compliance.selectors.adherence import history_before, last_change, newest_risk, next_dose
from compliance.services.log import append
from compliance.signals import risk_recomputed

SYNTHETIC = True  # the shipped weights know generated histories only; pages must say so


@transaction.atomic
def refresh_risk(*, patient: Patient, now: datetime) -> RiskEstimate | None:
    """Estimate anew when a dose of the patient changed since the last estimate; return the estimate that holds.

    None when no dose is planned.
    """
    dose = next_dose(patient, now)
    held = newest_risk(patient, dose)
    model = shipped()
    if dose is None:
        return None
    if held is not None and held.model_version == model.version and held.computed_at >= last_change(patient):
        return held
    history = history_before(patient, dose)
    prediction = model.predict(history)
    estimate, _ = RiskEstimate.objects.update_or_create(
        dose=dose,
        model_version=model.version,
        defaults={
            "patient": patient,
            "probability": prediction.probability,
            "usual": prediction.usual,
            "factors": reasons(prediction, history),
            "synthetic": SYNTHETIC,
            "computed_at": now,
        },
    )
    append(
        kind="risk_estimated",
        record={
            "patient": str(patient.pk),
            "dose": dose.pk,
            "model": model.version,
            "probability": round(prediction.probability, 6),
            "synthetic": SYNTHETIC,
        },
        patient_id=patient.pk,
        ward_id=patient.ward_id,
        at=now,
    )
    risk_recomputed.send(sender=RiskEstimate, patient=patient, estimate=estimate)
    return estimate


def refresh_all_risks(*, now: datetime) -> int:
    """Refresh every patient who has a dose to come; return how many estimates are held."""
    waiting = Patient.objects.filter(doses__state="pending", doses__closes_at__gte=now).distinct()
    return sum(refresh_risk(patient=patient, now=now) is not None for patient in waiting)
