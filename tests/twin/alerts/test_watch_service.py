"""From a commit group to stored alerts."""

from __future__ import annotations

import time

import pytest

from compliance.models import Event
from twin.models import Alert, AlertStep
from twin.services import alert_actions

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
    with django_assert_max_num_queries(14):
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
