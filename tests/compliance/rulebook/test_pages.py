"""The pages of rules: who sees what, settling, drafts."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from compliance.models import RuleVersion, Violation
from compliance.services.rules import evaluate_rules
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_(cast):
    return lambda role, fresh=True: sign_in(Client(), cast[role], fresh=fresh)


@pytest.fixture
def broken(happens):
    happens("dose_given", amount=40, unit="mg")
    evaluate_rules()
    return Violation.objects.get()


def test_rules_are_shown_in_plain_words_with_counts(as_, broken):
    page = as_("physician").get(reverse("compliance:rules")).content.decode()
    assert "Doses lie within their order" in page
    assert broken.sentence in page
    for role in ("nurse", "caregiver", "trainer"):
        assert as_(role).get(reverse("compliance:rules")).status_code == 403


def test_a_violation_shows_the_records_that_prove_it_and_is_settled(as_, broken):
    client, url = as_("physician"), reverse("compliance:violation", args=[broken.pk])
    assert "the record judged" in client.get(url).content.decode()
    assert client.post(url, {"state": "closed", "reason": ""}).status_code == 400
    assert client.post(url, {"state": "closed", "reason": "Spoken about in the team."})["Location"] == url
    listed = reverse("compliance:violations")
    assert broken.sentence not in client.get(listed).content.decode()
    assert broken.sentence in client.get(f"{listed}?state=closed&rule=dose-within-order").content.decode()


def test_violations_of_another_ward_are_not_there(as_, happens, foreign_patient):
    happens("dose_given", where=foreign_patient, amount=40)
    evaluate_rules()
    foreign = Violation.objects.get()
    for role in ("physician", "administrator"):
        assert as_(role).get(reverse("compliance:violation", args=[foreign.pk])).status_code == 404
        assert "Somerville" not in as_(role).get(reverse("compliance:violations")).content.decode()


def test_a_version_of_a_rule_shows_its_text(as_, broken):
    url = reverse("compliance:rule", args=["dose-within-order", 1])
    assert "detail.max_single" in as_("administrator").get(url).content.decode()
    assert as_("administrator").get(reverse("compliance:rule", args=["no-such-rule", 1])).status_code == 404


def test_a_draft_is_tried_and_then_switched_on_with_a_fresh_second_factor(as_, broken, rule_text):
    url, text = reverse("compliance:rule_draft"), rule_text([10])
    assert as_("physician").get(url).status_code == 403
    client = as_("administrator")
    assert "Not tried yet" in client.get(url).content.decode()
    wrong = client.post(url, {"text": text.replace("dose_given", "DOSE"), "act": "try", "days": "30"})
    assert (wrong.status_code, "names the codes of records" in wrong.content.decode()) == (400, True)
    stale = as_("administrator", fresh=False).post(url, {"text": text, "act": "switch_on"})
    assert stale["Location"].startswith("/account/step-up/")
    assert client.post(url, {"text": text, "act": "switch_on"})["Location"] == reverse("compliance:rules")
    assert RuleVersion.objects.filter(rule_id="ten", state="active").exists()
    assert "higher number" in client.post(url, {"text": text, "act": "switch_on"}).content.decode()
