"""Silence, doses and limits: alerts that no reading raises."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.adherence.measures import DoseState
from compliance.models import Event, Medication, Regimen, ScheduledDose
from compliance.signals import dose_missed, intake_recorded, intake_withdrawn
from devices.models import Gateway, GatewayState
from devices.services.paths import add_path, end_path
from devices.services.registry import register_gateway
from devices.services.telemetry import store
from twin.alerts.limits import LimitKey, Setting, Side
from twin.alerts.priority import Priority
from twin.models import Alert, AlertLimit
from twin.services.dose_alerts import time_of_day
from twin.services.freshness import GRACE_S, watch_freshness
from twin.services.limits import LimitsRefused, load_rulebook, set_limits

pytestmark = pytest.mark.django_db
LOW = LimitKey("glucose", Side.LOW, Priority.MEDIUM)


def states():
    return dict(Alert.objects.values_list("rule", "state"))


# --- Silence ---------------------------------------------------------------------------------------------------------


def test_silent_device_is_missed_and_its_return_ends_the_alert(cast, make_device, batch_of):
    monitor, cgm, now = make_device("vital_signs_monitor"), make_device(serial="S-2"), time.time()
    store().write(batch_of((monitor, "heart_rate", now - 300, 70.0), (cgm, "glucose", now - 60, 100.0)))
    store().write(batch_of((cgm, "glucose", now - 1, 100.0)))
    assert watch_freshness(now=now, running_s=GRACE_S) == 1
    assert states() == {"device_lost": "open"}
    assert Alert.objects.get().message == "vital_signs_monitor: no readings"
    assert watch_freshness(now=now + 1, running_s=GRACE_S) == 1
    store().write(batch_of((monitor, "heart_rate", now + 2, 70.0)))
    assert watch_freshness(now=now + 3, running_s=GRACE_S) == 0
    assert states() == {"device_lost": "resolved"}


def test_gateway_without_a_sign_of_life_is_one_alert_for_the_patient(make_device, gateway, batch_of):
    devices, now = [make_device("vital_signs_monitor", f"S-{i}") for i in range(3)], time.time()
    store().write(batch_of(*[(device, "heart_rate", now - 600, 70.0) for device in devices]))
    watch_freshness(now=now, running_s=GRACE_S)
    assert states() == {f"gateway_lost:{gateway.pk}": "open"}


def test_device_that_another_gateway_still_hears_is_missed_when_it_falls_silent(make_device, gateway, ward, batch_of):
    device, now = make_device("vital_signs_monitor"), time.time()
    add_path(device=device, gateway=register_gateway(name="the other", ward=ward))
    Gateway.objects.filter(pk=gateway.pk).update(state=GatewayState.QUARANTINED)
    store().write(batch_of((device, "heart_rate", now - 600, 70.0)))
    assert watch_freshness(now=now, running_s=GRACE_S) == 1
    end_path(path=device.paths.get())
    assert watch_freshness(now=now, running_s=GRACE_S) == 0, "nobody may speak for it: that is on the device's page"


def test_house_that_was_just_switched_on_misses_nobody_yet(make_device, batch_of):
    now = time.time()
    store().write(batch_of((make_device(), "glucose", now - 9999, 100.0)))
    assert watch_freshness(now=now, running_s=1.0) == 0


def test_alert_ends_when_its_device_leaves_the_patient(cgm, watch, batch_of):
    watch.receive(batch_of((cgm, "glucose", time.time(), 50.0)))
    cgm.patient = None
    cgm.save()
    watch_freshness(running_s=0.0)
    assert states() == {"glucose_low": "resolved"}


# --- Doses -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def dose(patient):
    now = timezone.now()
    medication = Medication.objects.create(name="Metformin", unit_weight_g=0.6)
    regimen = Regimen.objects.create(patient=patient, medication=medication, times=["20:00"], starts_on=now.date())
    return ScheduledDose.objects.create(
        regimen=regimen,
        patient=patient,
        due_at=now - timedelta(hours=1, minutes=5),
        opens_at=now - timedelta(hours=2),
        closes_at=now - timedelta(minutes=5),
        local_date=now.date(),
        state=DoseState.MISSED,
        changed_at=now,
    )


def test_missed_dose_is_one_low_alert_that_an_intake_ends(patient, dose):
    for _ in range(2):
        dose_missed.send(sender=None, patient=patient, dose=dose)
    alert = Alert.objects.get()
    assert (alert.priority, alert.state) == ("low", "open")
    assert alert.message == f"{time_of_day(dose.due_at, 'Europe/Berlin')} dose not seen"
    intake_recorded.send(sender=None, patient=patient, intake=None, doses=[dose])
    assert states() == {f"dose_missed:{dose.pk}": "resolved"}
    intake_withdrawn.send(sender=None, patient=patient, intake=None, doses=[dose])
    assert sorted(Alert.objects.values_list("state", flat=True)) == ["open", "resolved"]


def test_dose_missed_long_ago_is_history(patient, dose):
    dose.closes_at -= timedelta(hours=8)
    dose_missed.send(sender=None, patient=patient, dose=dose)
    assert not Alert.objects.exists()
    assert Event.objects.filter(code="would_have_alarmed").exists()


@pytest.mark.parametrize(
    ("hour", "name"), [(3, "Night"), (7, "Morning"), (12, "Midday"), (15, "Afternoon"), (19, "Evening"), (22, "Night")]
)
def test_time_of_day_is_the_patients(hour, name):
    moment = timezone.now().replace(hour=hour, minute=30)
    assert time_of_day(moment, "UTC") == name


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_own_limit_holds_for_this_patient_and_is_on_record(cast, patient, cgm, watch, batch_of):
    set_limits(patient=patient, user=cast["physician"], settings={LOW: Setting(LOW, 90.0, 0.0)})
    watch.receive(batch_of((cgm, "glucose", time.time(), 85.0)))
    assert states() == {"glucose_low": "open"}
    event = Event.objects.get(code="limits_set")
    assert event.detail["changes"] == [{"limit": "glucose low medium", "from": None, "to": [90.0, 0.0]}]


def test_empty_setting_goes_back_to_the_house(cast, patient):
    set_limits(patient=patient, user=cast["physician"], settings={LOW: Setting(LOW, 90.0, 0.0)})
    set_limits(patient=patient, user=cast["physician"], settings={LOW: None})
    assert not AlertLimit.objects.exists()


@pytest.mark.parametrize(
    ("bound", "delay", "words"),
    [
        (5.0, 0.0, "between 10 and 1000"),
        (50.0, 0.0, "must lie above"),
        (260.0, 0.0, "must lie above"),
        (70, -1, "delay"),
    ],
)
def test_limits_that_cannot_hold_together_are_refused(cast, patient, bound, delay, words):
    with pytest.raises(LimitsRefused, match=words):
        set_limits(patient=patient, user=cast["physician"], settings={LOW: Setting(LOW, bound, delay)})
    assert not AlertLimit.objects.exists()


def test_house_limit_holds_for_everybody_without_an_own_one(cgm):
    AlertLimit.objects.create(metric="glucose", side="low", priority="medium", bound=80.0)
    book = load_rulebook()
    slot = book.columns(book.metrics).tolist()
    assert 80.0 in [limit.bound for place in slot for limit in book.limits_at(place) if limit.rule == "glucose_low"]


def test_nan_is_no_bound(cast, patient):
    with pytest.raises(LimitsRefused):
        set_limits(patient=patient, user=cast["physician"], settings={LOW: Setting(LOW, float("nan"), 0.0)})
