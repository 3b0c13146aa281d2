"""Look an hour ahead for everyone whose glucose is measured, and keep the newest view of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from django.db import transaction

from compliance.models import Patient
from compliance.services.log import append
from twin.forecast.conclusion import conclusion_of
from twin.forecast.inputs import MEMBERS
from twin.forecast.model import Forecast, shipped
from twin.models import Prediction
from twin.physiology.estimate import Observed
from twin.selectors.observed import GlucoseMissing, observe
from twin.services.live import publish_notice

METRIC = "glucose"
LOGGED_EVERY = timedelta(minutes=30)
SHOWN_FOR_S = 900.0  # after that the present has moved on and the fan disappears rather than lies


class Fan(TypedDict):
    """A forecast as charts draw it: times in s since the Unix epoch, values in the metric's unit."""

    metric: str
    made_at: float
    times: list[float]
    mean: list[float]  # the forecast
    lo: list[float]  # nine tenths of what comes lies between lo ...
    hi: list[float]  # ... and hi


def refresh_predictions(now: float | None = None) -> int:
    """Forecast for every patient with news from a glucose sensor, all in one run; return how many are new."""
    moment = time.time() if now is None else now
    patients = Patient.objects.filter(devices__kind="cgm").distinct()
    made = dict(Prediction.objects.filter(metric=METRIC).values_list("patient", "made_at"))
    seen = [(patient, _news(patient, moment, made.get(patient.pk))) for patient in patients]
    present = [(patient, observed) for patient, observed in seen if observed is not None]
    # Seeded by the person: the bodies drawn for one patient stay the same from one forecast to the next.
    seeds = [int(patient.pk) % 2**32 for patient, _ in present]
    forecasts = shipped().forecast([observed for _, observed in present], seeds)
    for (patient, _), forecast in zip(present, forecasts, strict=True):
        _keep(patient, forecast)
    return len(forecasts)


def _news(patient: Patient, now: float, made_at: datetime | None) -> Observed | None:
    """Return what was observed, or None when there is no fresh glucose, or none since the last forecast."""
    try:
        observed = observe(patient, now)
    except GlucoseMissing:
        return None
    return observed if made_at is None or _moment(observed.at) > made_at else None


def _moment(t: float) -> datetime:
    return datetime.fromtimestamp(t, tz=UTC)


def _keep(patient: Patient, forecast: Forecast) -> None:
    with transaction.atomic():
        kept, _ = Prediction.objects.update_or_create(
            patient=patient,
            metric=METRIC,
            defaults={
                "made_at": _moment(forecast.at),
                "step_s": float(forecast.minutes[1] - forecast.minutes[0]) * 60.0,
                "low": forecast.low.round(1).tolist(),
                "middle": forecast.middle.round(1).tolist(),
                "high": forecast.high.round(1).tolist(),
                "members": MEMBERS,
            },
        )
        _commit_to(kept)
        transaction.on_commit(lambda: publish_notice(patient.pk, "prediction"))


def _commit_to(made: Prediction) -> None:
    """Put a forecast into the log when it concludes something else than the one before, and else every half hour.

    Each one would be thousands a day for a patient, most of them saying the same.
    """
    concluded = conclusion_of(made.middle)
    if made.logged_at is not None and concluded == made.logged_as and made.made_at - made.logged_at < LOGGED_EVERY:
        return
    patient = made.patient
    append(
        kind="glucose_forecast",
        record={
            "patient": str(patient.pk),
            "concluded": concluded,
            "middle": made.middle,
            "low": made.low,
            "high": made.high,
            "members": made.members,
        },
        patient_id=patient.pk,
        ward_id=patient.ward_id,
        at=made.made_at,
    )
    Prediction.objects.filter(pk=made.pk).update(logged_at=made.made_at, logged_as=concluded)


def latest_prediction(patient: Patient, now: float | None = None) -> Fan | None:
    """Return the newest glucose forecast as charts draw it; None when there is none or it is too old to be shown."""
    found = Prediction.objects.filter(patient=patient, metric=METRIC).first()
    moment = time.time() if now is None else now
    if found is None or moment - found.made_at.timestamp() > SHOWN_FOR_S:
        return None
    start = found.made_at.timestamp()
    return Fan(
        metric=METRIC,
        made_at=start,
        times=[start + found.step_s * index for index in range(len(found.middle))],
        mean=found.middle,
        lo=found.low,
        hi=found.high,
    )
