"""The stored forecast: made once for each present, shown only while it is fresh, told to open pages."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from compliance.models import LogEntry
from twin.forecast.conclusion import conclusion_of
from twin.models import Prediction
from twin.services import prediction
from twin.services.prediction import latest_prediction, refresh_predictions


@pytest.fixture
def told(monkeypatch):
    notices = []
    monkeypatch.setattr(prediction, "publish_notice", lambda patient, panel: notices.append((patient, panel)))
    return notices


def test_a_forecast_is_stored_and_told(patient, living, told, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert refresh_predictions() == 1
    assert told == [(patient.pk, "prediction")]
    fan = latest_prediction(patient)
    assert fan is not None
    assert len(fan["times"]) == len(fan["mean"]) == len(fan["lo"]) == len(fan["hi"]) == 13
    assert fan["times"][-1] - fan["times"][0] == 3600.0
    assert fan["mean"][0] == pytest.approx(120.0, abs=4.0)
    assert all(low <= mean <= high for low, mean, high in zip(fan["lo"], fan["mean"], fan["hi"], strict=True))


def test_without_a_new_reading_nothing_is_made_again(patient, living, measure, told):
    assert refresh_predictions() == 1
    assert refresh_predictions() == 0
    measure("cgm", "glucose", [(0.0, 118.0)])
    assert refresh_predictions() == 1
    assert Prediction.objects.count() == 1


def test_the_log_holds_a_forecast_when_it_says_something_else_or_half_an_hour_passed(patient, living, told):
    def committed() -> int:
        return LogEntry.objects.filter(kind="glucose_forecast").count()

    refresh_predictions()
    made = Prediction.objects.get()
    assert (committed(), made.logged_as, made.logged_at) == (1, "in range", made.made_at)
    for minutes, middle, count in (
        (5, 120.0, 1),
        (10, 60.0, 2),
        (15, 61.0, 2),
        (20, 200.0, 3),
        (49, 190.0, 3),
        (50, 190.0, 4),
    ):
        made.refresh_from_db()
        made.made_at = _start(made) + timedelta(minutes=minutes)
        made.middle = [middle] * 13
        prediction._commit_to(made)
        assert committed() == count, minutes


def _start(made):
    return LogEntry.objects.filter(kind="glucose_forecast").order_by("pk").first().at


def test_a_silent_sensor_gets_no_forecast(worn, measure, told):
    measure("cgm", "glucose", [(3000.0, 118.0)])
    assert refresh_predictions() == 0
    assert told == []


def test_an_old_forecast_disappears(patient, living, told):
    refresh_predictions()
    assert latest_prediction(patient, time.time() + 500.0) is not None
    assert latest_prediction(patient, time.time() + 1300.0) is None


def test_a_patient_without_a_sensor_has_none(patient):
    assert latest_prediction(patient) is None


def test_one_patient_without_readings_does_not_stop_the_others(patient, living, ward, told):
    from compliance.models import Patient
    from devices.models import Device, Gateway

    silent = Patient.objects.create(
        medical_record_number="T-002", given_name="A", family_name="A", birth_date="1960-01-01", ward=ward
    )
    Device.objects.create(
        serial="x", kind="cgm", label="x", gateway=Gateway.objects.get(), patient=silent, key_sealed=b"s"
    )
    assert refresh_predictions() == 1


@pytest.mark.parametrize(
    ("middle", "words"),
    [
        ([100.0, 120.0], "in range"), ([69.9, 120.0], "low to in range"), ([70.0, 179.9], "in range"),
        ([53.9, 53.0], "very low"), ([180.0, 250.0], "high to very high"), ([40.0, 300.0], "very low to very high"),
    ],
)  # fmt: skip
def test_a_forecast_concludes_how_low_and_how_high(middle, words):
    assert conclusion_of(middle) == words
