"""From a commit group to stored alerts."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from compliance.models import Event
from devices.services.telemetry import store
from twin.alerts.limits import LimitKey, Setting, Side
from twin.alerts.priority import Priority
from twin.models import Alert, AlertStep
from twin.services import alert_actions
from twin.services.alert_watch import AlertWatch
from twin.services.limits import set_limits

pytestmark = pytest.mark.django_db


def test_value_out_of_limits_is_stored_as_an_alert_for_everybody_who_may_act(cast, cgm, watch, batch_of):
    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now, 50.0)))
    alert = Alert.objects.get()
    assert (alert.rule, alert.priority, alert.state, alert.value) == ("glucose_low", "high", "open", 50.0)
    assert alert.message == "Glucose 50 mg/dL, below 54"
    told = set(AlertStep.objects.filter(kind="raised").values_list("user__username", flat=True))
    assert told == {"nurse", "physician", "caregiver", "administrator"}


def test_calm_values_touch_no_database(cgm, watch, batch_of, django_assert_num_queries):
    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now, 110.0)))
    with django_assert_num_queries(0):
        watch.receive(batch_of((cgm, "glucose", now + 1, 111.0)))


def test_new_limit_is_held_against_the_newest_value_at_once(cast, patient, cgm, make_device, watch, batch_of):
    now = time.time()
    monitor = make_device("vital_signs_monitor", serial="S-2")
    group = batch_of((cgm, "glucose", now, 110.0), (monitor, "heart_rate", now, 70.0))
    watch.receive(group)
    store().write(group, [])
    set_limits(
        patient=patient,
        user=cast["physician"],
        settings={(key := LimitKey("glucose", Side.LOW, Priority.MEDIUM)): Setting(key, 120.0, 0.0)},
    )
    watch.reload()
    watch.receive(batch_of((monitor, "heart_rate", now + 1, 71.0)))  # the sensor itself speaks again in five minutes
    assert Alert.objects.get().message == "Glucose 110 mg/dL, below 120"


def test_return_past_the_hysteresis_resolves(cgm, watch, batch_of):
    now = time.time()
    for step, (value, state) in enumerate([(65.0, "open"), (71.0, "open"), (75.0, "resolved")]):
        watch.receive(batch_of((cgm, "glucose", now + 300 * step, value)))
        assert Alert.objects.get().state == state
    assert Alert.objects.get().resolution == "Back within limits"


def test_an_easing_value_leaves_the_words_that_fit_the_priority(cgm, watch, batch_of):
    now = time.time()
    for step, value in enumerate((50.0, 60.0)):  # high below 54, medium below 70: the alert stays high
        watch.receive(batch_of((cgm, "glucose", now + 300 * step, value)))
    alert = Alert.objects.get()
    assert (alert.priority, alert.message, alert.value) == ("high", "Glucose 50 mg/dL, below 54", 50.0)
    assert alert.last_seen_at.timestamp() == pytest.approx(now + 300, abs=0.01)


def test_same_group_again_changes_nothing(cast, cgm, watch, batch_of):
    now = time.time()
    group = batch_of((cgm, "glucose", now, 50.0))
    watch.receive(group)
    before = list(Alert.objects.values()), AlertStep.objects.count()
    watch.receive(group)
    watch.forget()  # killed after the alert was stored, before the readings were: they come again
    watch.receive(group)
    assert (list(Alert.objects.values()), AlertStep.objects.count()) == before


def test_group_that_raised_and_ended_does_not_raise_when_it_comes_again(cgm, watch, batch_of):
    now = time.time()
    group = batch_of((cgm, "glucose", now, 60.0), (cgm, "glucose", now + 300, 100.0))
    watch.receive(group)
    watch.forget()
    watch.receive(group)
    assert [alert.state for alert in Alert.objects.all()] == ["resolved"]


def test_late_reading_raises_no_alert_but_is_on_record_once(cgm, watch, batch_of):
    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now, 100.0)))
    late = batch_of((cgm, "glucose", now - 900, 50.0), received_at=now + 1)
    watch.receive(late)
    watch.receive(late)
    assert not Alert.objects.exists()
    event = Event.objects.get(code="would_have_alarmed")
    assert event.category == "data_quality"
    assert event.detail["rule"] == "glucose_low"
    assert event.message == "Glucose was out of limits; its readings came too late to alarm."
    assert event.detail["received"] - event.detail["at"] == pytest.approx(901, abs=1)


def test_backlog_of_a_gateway_is_history(cgm, watch, batch_of):
    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now, 100.0)))
    for step in range(1, 5):  # an hour offline, then everything at once
        watch.receive(batch_of((cgm, "glucose", now + 300 * step, 50.0), received_at=now + 3600 + step))
    assert not Alert.objects.exists()
    watch.receive(batch_of((cgm, "glucose", now + 3600, 50.0), received_at=now + 3610))
    assert Alert.objects.get().state == "open"


def test_late_reading_of_a_condition_that_did_alarm_is_not_recorded(cgm, watch, batch_of):
    now = time.time()
    first = batch_of((cgm, "glucose", now, 50.0))
    watch.receive(first)
    watch.receive(batch_of((cgm, "glucose", now + 300, 48.0)))
    watch.receive(first)  # its acknowledgement was lost
    assert not Event.objects.filter(code="would_have_alarmed").exists()


def test_grown_worse_asks_again_after_an_acknowledgement(cast, cgm, watch, batch_of):
    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now, 65.0)))
    alert_actions.acknowledge(alert_id=Alert.objects.get().pk, user=cast["nurse"])
    watch.receive(batch_of((cgm, "glucose", now + 300, 50.0)))
    alert = Alert.objects.get()
    assert (alert.state, alert.priority, alert.round) == ("open", "high", 2)
    assert AlertStep.objects.filter(kind="raised", round=2).count() == 4


def test_resolved_by_hand_stays_quiet_then_returns(cast, cgm, watch, batch_of, monkeypatch):
    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now, 65.0)))
    alert_actions.resolve(alert_id=Alert.objects.get().pk, user=cast["nurse"], reason="Juice given")
    watch.receive(batch_of((cgm, "glucose", now + 300, 64.0)))
    assert Alert.objects.count() == 1
    monkeypatch.setattr("twin.services.alerts.REARM_S", 0.0)
    watch.receive(batch_of((cgm, "glucose", now + 600, 63.0)))
    assert sorted(Alert.objects.values_list("state", flat=True)) == ["open", "resolved"]


def test_alert_survives_a_restart_and_is_ended_by_the_next_process(cgm, watch, batch_of):
    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now, 50.0)))
    watch.forget()
    watch.receive(batch_of((cgm, "glucose", now + 300, 120.0)))
    assert Alert.objects.get().state == "resolved"


def test_processes_that_hear_one_device_end_and_raise_alerts_after_each_other(cgm, batch_of):
    here, there = AlertWatch(), AlertWatch()
    now = time.time()
    steps = [(here, 100.0, []), (there, 101.0, [])]  # both know the device
    steps += [(here, 50.0, ["open"]), (there, 120.0, ["resolved"]), (here, 52.0, ["resolved", "open"])]
    steps += [(there, 121.0, ["resolved", "resolved"])]
    for step, (watch, value, states) in enumerate(steps):
        group = batch_of((cgm, "glucose", now + 4 * step, value))
        watch.receive(replace(group, shared=frozenset({cgm.pk})))
        store().write(group, [])
        assert list(Alert.objects.order_by("event_time").values_list("state", flat=True)) == states


def test_what_another_process_knew_already_is_history(cgm, watch, batch_of):
    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now - 1200, 100.0)))
    store().write(batch_of((cgm, "glucose", now, 100.0)), [])  # by another process
    late = batch_of((cgm, "glucose", now - 300, 50.0), received_at=now + 1)
    watch.receive(replace(late, shared=frozenset({cgm.pk})))
    assert not Alert.objects.exists()


def test_pump_alarm_values_are_rules_of_their_own(make_device, watch, batch_of):
    pump, now = make_device("insulin_pump"), time.time()
    watch.receive(batch_of((pump, "pump_alarm", now, 1.0)))
    watch.receive(batch_of((pump, "pump_alarm", now + 60, 2.0)))
    assert dict(Alert.objects.values_list("rule", "state")) == {"pump_occlusion": "resolved", "pump_empty": "open"}


def test_device_of_nobody_raises_nothing(make_device, watch, batch_of):
    watch.receive(batch_of((make_device(patient=None), "glucose", time.time(), 40.0)))
    assert not Alert.objects.exists()


def test_queries_do_not_grow_with_the_number_of_alerts(
    cast, make_device, watch, batch_of, django_assert_max_num_queries
):
    devices = [make_device(serial=f"S-{i}") for i in range(30)]
    now = time.time()
    watch.receive(batch_of(*[(device, "glucose", now, 100.0) for device in devices]))
    with django_assert_max_num_queries(24):
        watch.receive(batch_of(*[(device, "glucose", now + 300, 50.0) for device in devices]))
    assert Alert.objects.count() == 30


def test_lost_storage_counts_for_nothing(cgm, watch, batch_of, monkeypatch):
    def refuse(**_):
        raise OSError("disk full")

    now = time.time()
    group = batch_of((cgm, "glucose", now, 50.0))
    with monkeypatch.context() as patch:
        patch.setattr("twin.services.alert_watch.raise_alerts", refuse)
        with pytest.raises(OSError, match="disk full"):
            watch.receive(group)
    watch.receive(group)
    assert Alert.objects.get().priority == "high"
