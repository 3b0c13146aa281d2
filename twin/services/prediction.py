"""Look an hour ahead for everyone whose glucose is measured, and keep the newest view of it."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TypedDict

from django.db import transaction

from compliance.models import Patient
from twin.models import Prediction
from twin.selectors.observed import GlucoseMissing, observe
from twin.services.live import publish_notice
from twin.whatif.futures import STEP_MIN, run
from twin.whatif.scenario import AS_NOW

log = logging.getLogger(__name__)
HORIZON_MIN = 60
MEMBERS = 100
SHOWN_FOR_S = 900.0  # after that the present has moved on and the fan disappears rather than lies


class Fan(TypedDict):
    """A forecast as charts draw it: times in s since the Unix epoch, values in the metric's unit."""

    metric: str
    made_at: float
    times: list[float]
    mean: list[float]  # the median course
    lo: list[float]  # 5th percentile
    hi: list[float]  # 95th percentile


def refresh_predictions(now: float | None = None) -> int:
    """Predict for every patient with a glucose sensor and return how many predictions are new."""
    moment = time.time() if now is None else now
    patients = Patient.objects.filter(devices__kind="cgm").distinct()
    return sum(predict(patient=patient, now=moment) for patient in patients)


def predict(*, patient: Patient, now: float) -> bool:
    """Simulate the next hour of one patient and store it; False when nothing new was measured."""
    try:
        observed = observe(patient, now)
    except GlucoseMissing:
        return False
    made_at = datetime.fromtimestamp(observed.at, tz=UTC)
    if Prediction.objects.filter(patient=patient, metric="glucose", made_at__gte=made_at).exists():
        return False
    band = run(observed, [AS_NOW], MEMBERS, seed=int(patient.pk) % 2**32, horizon_min=HORIZON_MIN)[0].band
    low, middle, high = (band.mg_dl[row].round(1).tolist() for row in (0, 2, 4))
    with transaction.atomic():
        Prediction.objects.update_or_create(
            patient=patient,
            metric="glucose",
            defaults={
                "made_at": made_at,
                "step_s": STEP_MIN * 60.0,
                "low": low,
                "middle": middle,
                "high": high,
                "members": MEMBERS,
            },
        )
        transaction.on_commit(lambda: publish_notice(patient.pk, "prediction"))
    return True


def latest_prediction(patient: Patient, now: float | None = None) -> Fan | None:
    """Return the newest glucose forecast as charts draw it; None when there is none or it is too old to be shown."""
    found = Prediction.objects.filter(patient=patient, metric="glucose").first()
    moment = time.time() if now is None else now
    if found is None or moment - found.made_at.timestamp() > SHOWN_FOR_S:
        return None
    start = found.made_at.timestamp()
    return Fan(
        metric="glucose",
        made_at=start,
        times=[start + found.step_s * index for index in range(len(found.middle))],
        mean=found.middle,
        lo=found.low,
        hi=found.high,
    )
