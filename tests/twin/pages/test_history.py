"""The series behind the charts: in order, thinned without losing an excursion, and refused by name."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.twin.pages.scene import make_device, raise_alert, store_readings


def test_history_returns_series_in_order_and_marks_late_readings(sign_in, patient) -> None:
    now = time.time()
    device = make_device(patient)
    store_readings(device, "heart_rate", [(900, 80), (800, 82)], received=now)
    store_readings(device, "heart_rate", [(2, 70)], received=now)
    url = f"/patients/{patient.pk}/history/?keys=heart_rate,spo2&from={now - 3600}&to={now + 1}"
    series = sign_in("nurse").get(url).json()["series"]
    assert [(value, late) for _, value, late in series["heart_rate"]] == [(80, 1), (82, 1), (70, 0)]
    assert series["spo2"] == []


def test_history_keeps_a_single_excursion_among_many_readings(sign_in, patient) -> None:
    now = time.time()
    values = [(3600 - i, 180.0 if i == 1500 else 70.0) for i in range(3600)]
    store_readings(make_device(patient), "heart_rate", values)
    url = f"/patients/{patient.pk}/history/?keys=heart_rate&from={now - 86400}&to={now + 1}"
    points = sign_in("nurse").get(url).json()["series"]["heart_rate"]
    assert len(points) < 1300
    assert max(value for _, value, _ in points) == 180


@pytest.mark.parametrize(
    "query",
    [
        "",
        "keys=heart_rate",
        "keys=heart_rate&from=5&to=5",
        "keys=heart_rate&from=9&to=5",
        "keys=heart_rate&from=nan&to=5",
        "keys=heart_rate&from=0&to=9e9",
        "keys=heart_rate&from=x&to=5",
        "keys=nonsense&from=0&to=5",
        "keys=ecg&from=0&to=5",
        "keys=&from=0&to=5",
    ],
)
def test_history_refuses_a_wrong_window(sign_in, patient, query: str) -> None:
    response = sign_in("nurse").get(f"/patients/{patient.pk}/history/?{query}", headers={"accept": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"] == "history_window_wrong"


def test_history_tells_which_alarms_held(sign_in, patient) -> None:
    now = time.time()
    held = raise_alert(patient, "high", "SpO2 low", minutes_ago=30)
    over = timezone.now() - timedelta(hours=4)
    raise_alert(patient, "low", "Long over", minutes_ago=300, state="resolved", resolved_at=over)
    url = f"/patients/{patient.pk}/history/?keys=spo2&from={now - 3600}&to={now}"
    assert [alarm["id"] for alarm in sign_in("nurse").get(url).json()["alarms"]] == [held.pk]
