"""Doses are planned once, close on time, and announce it in the same transaction."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest

from compliance.models import ScheduledDose
from compliance.services.regimens import GRACE, close_windows, order_single_dose, plan_doses
from compliance.signals import dose_missed
from tests.compliance.adherence.clock import NOON

pytestmark = pytest.mark.django_db


def test_planning_twice_writes_each_dose_once(regimen):
    plan_doses(now=NOON)
    first = list(ScheduledDose.objects.values_list("due_at", flat=True))
    plan_doses(now=NOON + timedelta(hours=1))
    assert first[0] == NOON
    assert list(ScheduledDose.objects.values_list("due_at", flat=True)) == first
    assert len(first) == len(set(first)) == 4


def test_new_regimen_invents_no_past(regimen):
    plan_doses(now=NOON)
    assert not ScheduledDose.objects.filter(due_at__lt=NOON).exists()


def test_doses_of_a_pause_of_the_server_are_planned_afterwards(regimen):
    plan_doses(now=NOON)
    plan_doses(now=NOON + timedelta(days=5))
    days = {dose.local_date for dose in ScheduledDose.objects.all()}
    assert len(days) == 7


def test_ended_regimen_plans_no_more(regimen):
    regimen.ends_on = NOON.date()
    regimen.save()
    plan_doses(now=NOON)
    assert {dose.local_date for dose in ScheduledDose.objects.all()} == {NOON.date()}


def test_window_that_closed_is_announced_once(regimen, facts):
    plan_doses(now=NOON)
    assert close_windows(now=NOON + timedelta(minutes=60)) == 0
    later = NOON + timedelta(minutes=60) + GRACE + timedelta(seconds=1)
    assert close_windows(now=later) == 1
    assert close_windows(now=later) == 0
    ((name, said),) = facts
    assert name == "dose_missed"
    assert said["dose"].state == "missed"
    assert said["patient"] == regimen.patient


def test_dose_stays_pending_when_a_receiver_fails(regimen):
    plan_doses(now=NOON)
    with mock.patch.object(dose_missed, "send", side_effect=RuntimeError("no alert")), pytest.raises(RuntimeError):
        close_windows(now=NOON + timedelta(hours=2))
    assert set(ScheduledDose.objects.values_list("state", flat=True)) == {"pending"}


def test_single_dose_has_the_regimens_window_and_is_ordered_once(regimen):
    due = NOON + timedelta(minutes=7)
    dose = order_single_dose(regimen=regimen, due_at=due, local_date=NOON.date(), now=NOON)
    again = order_single_dose(regimen=regimen, due_at=due, local_date=NOON.date(), now=NOON)
    assert dose.pk == again.pk
    assert dose.single
    assert dose.closes_at - dose.due_at == timedelta(minutes=60)


def test_beat_tasks_run(regimen):
    from compliance.tasks import close_dose_windows, refresh_risks

    assert close_dose_windows() == 0
    assert ScheduledDose.objects.exists()
    assert refresh_risks() == 1
