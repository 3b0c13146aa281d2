"""What people do with an alert, and what is kept of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.errors import NotFound, NotPermitted
from compliance.models import Event
from twin.alerts.priority import Priority
from twin.models import Alert, AlertStep
from twin.services import alert_actions, delivery
from twin.services.alert_actions import AlertNotInState, ReasonMissing
from twin.services.alerts import Condition, Key, end_alerts, raise_alerts

pytestmark = pytest.mark.django_db


@pytest.fixture
def raise_one(patient):
    def make(rule="glucose_low", priority=Priority.HIGH, device=None, at=None):
        condition = Condition(
            Key(patient.pk, device and device.pk, rule), "glucose", priority, "Glucose 50", at or timezone.now(), 50.0
        )
        return raise_alerts(conditions=[condition])

    return make


@pytest.fixture
def alert(cast, raise_one):
    return raise_one()[0]


def kinds(alert, user):
    return list(AlertStep.objects.filter(alert=alert, user=user).values_list("kind", flat=True))


def test_acknowledging_is_a_step_an_event_and_a_message(cast, alert, told, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        alert_actions.acknowledge(alert_id=alert.pk, user=cast["nurse"])
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == ("acknowledged", cast["nurse"])
    assert kinds(alert, cast["nurse"]) == ["raised", "acknowledged"]
    event = Event.objects.get(code="alert_acknowledged")
    assert (event.user, event.patient) == (cast["nurse"], alert.patient)
    assert [(m["id"], m["state"], m["acknowledged_by"]) for m in told] == [(alert.pk, "acknowledged", "nurse")]


def test_second_acknowledgement_leaves_the_first(cast, alert):
    alert_actions.acknowledge(alert_id=alert.pk, user=cast["nurse"])
    alert_actions.acknowledge(alert_id=alert.pk, user=cast["physician"])
    alert.refresh_from_db()
    assert alert.acknowledged_by == cast["nurse"]


@pytest.mark.parametrize("act", ["acknowledge", "snooze", "reopen"])
def test_trainer_sees_but_cannot_act(cast, alert, act):
    with pytest.raises(NotPermitted):
        getattr(alert_actions, act)(alert_id=alert.pk, user=cast["trainer"])


def test_outsider_does_not_learn_that_the_alert_exists(cast, alert):
    with pytest.raises(NotFound):
        alert_actions.acknowledge(alert_id=alert.pk, user=cast["outsider"])


def test_undo_opens_a_new_round_addressed_to_all(cast, alert):
    alert_actions.acknowledge(alert_id=alert.pk, user=cast["nurse"])
    alert_actions.reopen(alert_id=alert.pk, user=cast["nurse"])
    alert.refresh_from_db()
    assert (alert.state, alert.round, alert.acknowledged_by) == ("open", 2, None)
    assert AlertStep.objects.filter(alert=alert, kind="raised", round=2).count() == 4


def test_snooze_asks_again_when_it_has_run_out(cast, alert):
    alert_actions.snooze(alert_id=alert.pk, user=cast["nurse"])
    assert delivery.wake_snoozed(now=timezone.now() + timedelta(minutes=14)) == []
    assert [woken.pk for woken in delivery.wake_snoozed(now=timezone.now() + timedelta(minutes=16))] == [alert.pk]
    alert.refresh_from_db()
    assert (alert.state, alert.round) == ("open", 2)


def test_resolving_by_hand_needs_a_reason(cast, alert):
    with pytest.raises(ReasonMissing):
        alert_actions.resolve(alert_id=alert.pk, user=cast["nurse"], reason="  ")
    alert_actions.resolve(alert_id=alert.pk, user=cast["nurse"], reason="Juice \0 given")  # PostgreSQL stores no NUL
    alert.refresh_from_db()
    assert (alert.state, alert.resolution, alert.resolved_by) == ("resolved", "Juice given", cast["nurse"])
    with pytest.raises(AlertNotInState):
        alert_actions.acknowledge(alert_id=alert.pk, user=cast["nurse"])


def test_raising_again_refreshes_the_one_alert(cast, raise_one, alert):
    assert raise_one(at=timezone.now() + timedelta(minutes=1)) == []
    assert Alert.objects.count() == 1


def test_alert_without_anybody_to_act_is_an_event(raise_one):
    raise_one()
    assert Event.objects.filter(code="alert_without_recipient").exists()


def test_shown_is_proven_once_and_only_by_who_may_see_it(cast, alert):
    assert delivery.mark_shown(alert_id=alert.pk, user=cast["nurse"])
    assert not delivery.mark_shown(alert_id=alert.pk, user=cast["nurse"])
    with pytest.raises(NotFound):
        delivery.mark_shown(alert_id=alert.pk, user=cast["outsider"])
    assert kinds(alert, cast["nurse"]) == ["raised", "shown"]


def test_sent_is_proven_for_many_people_at_once(cast, alert):
    people = [cast["nurse"].pk, cast["physician"].pk]
    assert delivery.mark_sent(alert_id=alert.pk, user_ids=people) == 2
    assert delivery.mark_sent(alert_id=alert.pk, user_ids=people) == 0
    assert delivery.mark_sent(alert_id=10**6, user_ids=people) == 0


def test_unseen_alert_is_told_again_until_somebody_has_seen_it(cast, alert, told, django_capture_on_commit_callbacks):
    later = timezone.now() + timedelta(seconds=10)
    with django_capture_on_commit_callbacks(execute=True):
        assert delivery.deliver_alerts(now=later) == 1
    assert [message["id"] for message in told] == [alert.pk]
    delivery.mark_shown(alert_id=alert.pk, user=cast["nurse"])
    assert delivery.deliver_alerts(now=later) == 0


def test_nobody_acts_so_physicians_are_called_once_per_round(cast, alert):
    delivery.mark_shown(alert_id=alert.pk, user=cast["nurse"])
    for seconds in (61, 70):
        delivery.deliver_alerts(now=timezone.now() + timedelta(seconds=seconds))
    called = AlertStep.objects.filter(kind="escalated").values_list("user__username", flat=True)
    assert list(called) == ["physician"]
    delivery.deliver_alerts(now=timezone.now() + timedelta(seconds=200))
    assert set(called.all()) == {"physician", "administrator"}
    assert Event.objects.filter(code="alert_escalated").count() == 2


def test_acknowledged_alert_is_not_escalated(cast, alert):
    alert_actions.acknowledge(alert_id=alert.pk, user=cast["nurse"])
    delivery.deliver_alerts(now=timezone.now() + timedelta(hours=1))
    assert not AlertStep.objects.filter(kind="escalated").exists()


def test_broker_that_is_down_loses_no_alert(
    cast, raise_one, settings, monkeypatch, caplog, django_capture_on_commit_callbacks
):
    with monkeypatch.context() as patch, django_capture_on_commit_callbacks(execute=True):
        patch.setattr(settings, "HUB_URL", "unix:///nowhere/valkey.sock?db=2")
        raise_one()
    assert "not live" in caplog.text
    assert Alert.objects.get().state == "open"
    told = []
    monkeypatch.setattr("twin.services.alerts.publish_alert", told.append)
    with django_capture_on_commit_callbacks(execute=True):
        delivery.deliver_alerts(now=timezone.now() + timedelta(seconds=6))
    assert [message["rule"] for message in told] == ["glucose_low"]


def test_ended_condition_ends_the_alert_whatever_its_state(cast, alert):
    alert_actions.acknowledge(alert_id=alert.pk, user=cast["nurse"])
    end_alerts(keys=[Key(alert.patient_id, None, "glucose_low")], reason="Back within limits")
    alert.refresh_from_db()
    assert (alert.state, alert.resolved_by) == ("resolved", None)
