"""A log that nobody keeps, or nobody witnesses, is told by somebody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.models import Event, LogCheckpoint, LogEntry, Notice
from compliance.services.log import sequence
from compliance.services.log_care import look_after_log
from compliance.services.log_witnesses import cosign
from compliance.services.rules import evaluate_rules

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(minutes=11)


def told() -> set[str]:
    look_after_log(timezone.now())
    return set(Notice.objects.values_list("code", flat=True))


def test_a_log_that_is_kept_and_witnessed_is_quiet(act, two_witnesses) -> None:
    act(3)
    cosign(sequence())
    assert told() == set()


def test_records_that_wait_for_their_place_are_told(act) -> None:
    act()
    assert told() == set()
    LogEntry.objects.update(at=timezone.now() - LONG_AGO)
    assert told() == {"log_waits"}


def test_a_head_without_two_witnesses_is_told_after_some_minutes(act, two_witnesses, settings) -> None:
    act()
    cosign(sequence())
    settings.LOG_WITNESSES, settings.LOG_WITNESS_FOLDER = [], settings.LOG_WITNESS_FOLDER / "none"
    act()
    sequence()
    assert told() == set()
    LogCheckpoint.objects.update(at=timezone.now() - LONG_AGO)
    assert told() == {"log_unwitnessed"}
    assert Notice.objects.get().priority == "high"


def test_the_log_asks_once_an_hour_and_notes_when_it_was_answered(act, two_witnesses) -> None:
    now = timezone.now()
    for _ in range(3):
        look_after_log(now)
    assert Event.objects.filter(code="witnesses_asked").count() == 1
    look_after_log(now + timedelta(minutes=1))
    assert not Event.objects.filter(code="witnesses_answered").exists()
    cosign(sequence())
    for _ in range(2):
        look_after_log(now + timedelta(minutes=2))
    asked, answered = Event.objects.order_by("pk")
    assert answered.detail["asked"] == asked.detail["asked"]
    sequence()
    evaluate_rules()
    look_after_log(now + timedelta(hours=2))
    assert Event.objects.filter(code="witnesses_asked").count() == 2
