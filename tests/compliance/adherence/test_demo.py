"""A demonstration's plans: a made-up past that says so, and one dose that closes while the visitor watches."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.models import Intake, RiskEstimate, ScheduledDose
from compliance.services.demo_regimens import ensure_demo_regimens
from compliance.services.regimens import GRACE, close_windows
from compliance.services.risk import refresh_risk
from tests.compliance.adherence.clock import NOON

pytestmark = pytest.mark.django_db


def test_demo_has_a_past_that_is_marked_and_a_risk_with_three_reasons(patient):
    ensure_demo_regimens([patient])
    past = ScheduledDose.objects.filter(closes_at__lt=timezone.now())
    assert past.count() >= 58
    assert not past.filter(synthetic=False).exists()
    assert set(Intake.objects.values_list("source", flat=True)) == {"synthetic"}
    estimate = RiskEstimate.objects.get()
    assert estimate.synthetic
    assert len(estimate.factors) == 3
    assert 0 < estimate.probability < 1


def test_one_dose_is_missed_about_two_minutes_after_the_start(patient, facts):
    now = NOON
    ensure_demo_regimens([patient], now=now)
    assert close_windows(now=now + timedelta(seconds=100)) == 0
    assert close_windows(now=now + timedelta(seconds=125)) == 1
    assert [name for name, _ in facts if name == "dose_missed"] == ["dose_missed"]


def test_starting_again_after_a_night_wakes_to_no_page_of_missed_doses(patient, facts):
    now = NOON
    ensure_demo_regimens([patient], now=now)
    later = now + timedelta(hours=30)
    ensure_demo_regimens([patient], now=later)
    assert close_windows(now=later + GRACE) == 0
    assert not ScheduledDose.objects.filter(state="pending", closes_at__lt=later).exists()


def test_risk_is_computed_anew_only_when_a_dose_changed(patient, facts):
    now = NOON
    ensure_demo_regimens([patient], now=now)
    before = RiskEstimate.objects.get()
    facts.clear()
    assert refresh_risk(patient=patient, now=now + timedelta(minutes=1)) == before
    assert facts == []
    close_windows(now=now + timedelta(minutes=3))
    after = refresh_risk(patient=patient, now=now + timedelta(minutes=3))
    assert after.dose_id != before.dose_id
    assert [name for name, _ in facts] == ["dose_missed", "risk_recomputed"]
