"""Consent: the house's default holds until the patient decides, the newest decision counts, and none is lost."""

from __future__ import annotations

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.errors import TextOutdated, UnknownPurpose
from compliance.models import Consent, Event, Patient
from compliance.privacy.purposes import TERMS, TEXT_VERSION, How, Purpose
from compliance.selectors.consents import consent_allows, consent_history, decisions_of, refusing_patients
from compliance.services.consents import decide_consent
from compliance.signals import consent_changed

pytestmark = pytest.mark.django_db


def decide(patient, user, purpose, given, **other):
    values = {"how": How.SELF, "text_version": TEXT_VERSION, "now": timezone.now()} | other
    return decide_consent(patient=patient, purpose=purpose, given=given, user=user, **values)


@pytest.mark.parametrize("purpose", Purpose)
def test_the_default_of_the_house_holds_until_the_patient_decides(purpose, patient) -> None:
    assert consent_allows(patient.pk, purpose) is TERMS[purpose].default
    assert (patient.pk in refusing_patients(purpose)) is not TERMS[purpose].default


def test_research_and_sharing_are_refused_unless_asked_for() -> None:
    assert {terms.purpose for terms in TERMS.values() if not terms.default} == {"research", "share_external"}


@pytest.mark.parametrize("purpose", Purpose)
def test_the_newest_decision_counts_and_the_older_ones_stay(purpose, cast, patient) -> None:
    for given_now in (True, False, True, False):
        decide(patient, cast["patient"], purpose, given_now)
        assert consent_allows(patient.pk, purpose) is given_now
    assert [consent.given for consent in consent_history(patient)] == [False, True, False, True]
    assert decisions_of(patient)[purpose].given is False
    assert all(decisions_of(patient)[other] is None for other in Purpose if other is not purpose)


def test_a_decision_says_who_how_and_by_which_words(cast, patient) -> None:
    decide(patient, cast["nurse"], "research", True, how=How.PAPER)
    consent = Consent.objects.get()
    assert (consent.recorded_by, consent.how, consent.text_version) == (cast["nurse"], "paper", TEXT_VERSION)
    event = Event.objects.get(code="consent_given")
    assert event.detail == {"purpose": "research", "how": "paper", "text": TEXT_VERSION}


def test_the_same_decision_again_adds_nothing(cast, patient) -> None:
    first = decide(patient, cast["patient"], "training", False)
    assert decide(patient, cast["patient"], "training", False) == first
    assert Consent.objects.count() == 1


def test_an_unknown_purpose_and_old_words_are_refused(cast, patient) -> None:
    with pytest.raises(UnknownPurpose):
        decide(patient, cast["patient"], "advertising", True)
    with pytest.raises(TextOutdated):
        decide(patient, cast["patient"], "research", True, text_version="1999-1")
    with pytest.raises(ValueError):
        consent_allows(patient.pk, "advertising")
    assert not Consent.objects.exists()


def test_a_decision_is_announced_in_its_transaction(cast, patient) -> None:
    heard = []

    def listen(**facts) -> None:
        heard.append((facts["patient"], facts["purpose"], facts["given"], Consent.objects.count()))

    consent_changed.connect(listen)
    decide(patient, cast["patient"], "treatment", False)
    assert heard == [(patient, Purpose.TREATMENT, False, 1)]


decisions = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(list(Purpose)), st.booleans()), max_size=8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(decisions=decisions)
def test_the_list_of_those_who_refuse_agrees_with_each_answer(decisions, ward) -> None:
    Consent.objects.all().delete()
    Patient.objects.all().delete()
    patients = [
        Patient.objects.create(
            medical_record_number=f"P-{n}", given_name="G", family_name="F", birth_date="1950-01-01", ward=ward
        )
        for n in range(3)
    ]
    for index, purpose, given_now in decisions:
        Consent.objects.create(
            patient=patients[index], purpose=purpose, given=given_now, how="self", text_version="1", at=timezone.now()
        )
    for purpose in Purpose:
        refusing = {patient.pk for patient in patients if not consent_allows(patient.pk, purpose)}
        assert set(refusing_patients(purpose)) == refusing
        assert set(Patient.objects.exclude(pk__in=refusing_patients(purpose))) == {
            patient for patient in patients if patient.pk not in refusing
        }
