"""Drafts tried on the past: a job that stores nothing against anybody, and that can be killed, stopped and followed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from compliance.errors import RuleRefused
from compliance.models import LogEntry, RuleTrial, RuleVersion, Violation
from compliance.services import rule_trials
from compliance.services.rule_trials import cancel_trial, go_on_with_trials, start_trial
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def doses(happens):
    return [happens("dose_given", amount=amount) for amount in (10, 11, 12, 10, 13)]


@pytest.fixture
def trial(doses, cast, rule_text):
    return start_trial(text=rule_text([10]), days=30, user=cast["administrator"])


def test_a_draft_tells_what_it_would_have_found_and_stores_nothing(trial):
    assert (trial.state, go_on_with_trials()) == ("waiting", 1)
    trial.refresh_from_db()
    assert (trial.state, trial.judged, trial.broken, trial.percent) == ("done", 5, 3, 100)
    assert [finding["sentence"] for finding in trial.findings] == ["Not ten."] * 3
    assert not RuleVersion.objects.filter(rule_id="ten").exists()
    assert not Violation.objects.exists()


def test_only_the_last_days_are_judged_and_older_records_still_set_the_terms(happens, cast):
    from compliance.rulebook.reading import house_documents

    happens("dose_ordered", order=1, unit="mg", max_single=60, max_daily=100, min_interval_s=1)
    happens("dose_given", order=1, amount=90, unit="mg", administration=1)
    LogEntry.objects.update(at=timezone.now() - timedelta(days=9))
    happens("dose_given", order=1, amount=70, unit="mg", administration=2)
    text = next(text for rule, text in house_documents() if rule.id == "dose-within-order")
    start_trial(text=text, days=3, user=cast["administrator"])
    go_on_with_trials()
    found = RuleTrial.objects.get()
    assert (found.judged, [finding["sentence"] for finding in found.findings]) == (
        1, ["The dose lies above the order's limit for one dose."]
    )  # fmt: skip


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_a_trial_killed_in_the_middle_goes_on_and_finds_the_same(trial, monkeypatch, batch):
    monkeypatch.setattr(rule_trials, "BATCH", batch)
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        rule_trials._read_on(trial.pk)
        raise KeyboardInterrupt
    while go_on_with_trials() == 0:
        pass
    trial.refresh_from_db()
    assert (trial.judged, trial.broken, len(trial.findings)) == (5, 3, 3)


def test_a_trial_that_is_stopped_reads_no_further_and_a_new_one_stops_the_one_before(
    trial, cast, rule_text, monkeypatch
):
    cancel_trial(trial)
    assert go_on_with_trials() == 0
    other = start_trial(text=rule_text([11]), days=1, user=cast["administrator"])
    start_trial(text=rule_text([12]), days=1, user=cast["administrator"])
    assert list(RuleTrial.objects.order_by("pk").values_list("state", flat=True)) == [
        "cancelled", "cancelled", "waiting",
    ]  # fmt: skip
    assert other.judged == 0
    for _ in range(rule_trials.KEPT_TRIALS + 3):
        start_trial(text=rule_text([12]), days=1, user=cast["administrator"])
    assert RuleTrial.objects.count() == rule_trials.KEPT_TRIALS


@pytest.mark.parametrize("days", [0, -1, 367])
def test_days_out_of_range_are_refused(cast, rule_text, days):
    with pytest.raises(RuleRefused, match="days"):
        start_trial(text=rule_text([1]), days=days, user=cast["administrator"])


def test_the_page_follows_a_trial_and_shows_it_to_whoever_began_it_alone(doses, cast, rule_text, make_user, ward):
    client, text = sign_in(Client(), cast["administrator"]), rule_text([10])
    place = client.post("/rules/draft/", {"text": text, "act": "try", "days": "30"})["Location"]
    waiting = client.get(place).content.decode()
    assert "waiting for a worker" in waiting
    assert "Switch on" not in waiting
    go_on_with_trials()
    part = client.get(place, headers={"HX-Request": "true"}).content.decode()
    assert "<strong>3</strong> would break it" in part
    assert "<html" not in part
    assert "Switch on" in client.get(place).content.decode()
    assert client.post(f"{place}end/")["Location"] == place
    assert RuleTrial.objects.get().state == "done"
    other = sign_in(Client(), make_user("administrator", ward=ward, username="another"))
    assert other.get(place).status_code == other.post(f"{place}end/").status_code == 404
    assert client.post("/rules/draft/", {"text": text, "act": "try", "days": "soon"}).status_code == 400
