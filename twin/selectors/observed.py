"""What glucose sensor and insulin pump reported lately, gathered for the model."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from compliance.models import Patient
from devices.kinds.registry import by_key
from devices.services.worn import readings_of
from devices.telemetry import Reading
from twin.errors import TwinError
from twin.physiology.estimate import HISTORY_MIN, Observed
from twin.physiology.parameters import Floats

FRESH_S = 900.0  # three readings of an ordinary sensor
USUAL_WEIGHT_KG = 75.0
METRICS = ("glucose", "insulin_bolus", "insulin_rate")
MOST_POINTS = 2000  # for each metric; a sensor that reports every 20 s has 900 in five hours


class GlucoseMissing(TwinError):
    """This patient has no glucose sensor, or it has been silent: there is no present to start from."""

    code = "glucose_missing"
    http_status = 409


def observe(patient: Patient, now: float) -> Observed:
    """Return the last hours of `patient`, with the newest glucose as the present.

    Raises GlucoseMissing when there is none that is younger than a quarter of an hour before `now` (s since the Unix
    epoch).
    """
    codes = {key: by_key(key).code for key in METRICS}
    readings = readings_of(patient, codes.values(), now - HISTORY_MIN * 60.0, now + 1.0, MOST_POINTS)
    series = {key: _in_order(r for r in readings if r.metric == code) for key, code in codes.items()}
    glucose_t, glucose = series["glucose"]
    if not glucose_t.size:
        raise GlucoseMissing("No glucose has been measured in the last hours, so there is no present to start from.")
    if now - glucose_t[-1] > FRESH_S:
        minutes = round((now - float(glucose_t[-1])) / 60.0)
        raise GlucoseMissing(f"The newest glucose is {minutes} min old. Check the sensor, then try again.")
    none = np.zeros(0)
    return Observed(
        at=float(glucose_t[-1]),
        weight_kg=patient.weight_kg or USUAL_WEIGHT_KG,
        glucose_t=glucose_t,
        glucose_mg_dl=glucose,
        bolus_t=series["insulin_bolus"][0],
        bolus_u=series["insulin_bolus"][1],
        basal_t=series["insulin_rate"][0],
        basal_u_per_h=series["insulin_rate"][1],
        carbs_t=none,
        carbs_g=none,
    )


def _in_order(readings: Iterable[Reading]) -> tuple[Floats, Floats]:
    ordered = sorted((reading.t, reading.value) for reading in readings)
    return np.array([t for t, _ in ordered], dtype=np.float64), np.array([v for _, v in ordered], dtype=np.float64)
