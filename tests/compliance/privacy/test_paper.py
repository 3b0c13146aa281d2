"""Decisions on paper: staff of the ward enter them with where the paper is; the patient reads who did."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.models import Consent, Event
from compliance.selectors.consents import consent_allows
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def paper():
    today = timezone.localdate().isoformat()
    return {"purpose": "research", "given": "yes", "signed_on": today, "reference": "Folder 7, 12", "read": "on"}


def test_a_paper_is_entered_withdrawn_and_stays_in_the_history(client, cast, patient, paper) -> None:
    sign_in(client, cast["nurse"])
    place = f"/patients/{patient.pk}/consents/"
    assert "until the patient decides" in client.get(place).content.decode()
    assert client.post(place, paper).status_code == 302
    assert consent_allows(patient.pk, "research")
    assert client.post(place, paper | {"given": "no", "reference": "Folder 7, 13"}).status_code == 302
    assert not consent_allows(patient.pk, "research")
    rows = list(Consent.objects.order_by("pk").values_list("given", "how", "reference", "recorded_by"))
    assert rows == [
        (True, "paper", "Folder 7, 12", cast["nurse"].pk),
        (False, "paper", "Folder 7, 13", cast["nurse"].pk),
    ]
    html = client.get(place).content.decode()
    assert "Folder 7, 12" in html
    assert "Folder 7, 13" in html
    assert {event.code for event in Event.objects.filter(patient=patient, code__startswith="consent_")} == {
        "consent_given",
        "consent_withdrawn",
    }
    assert "on paper" in sign_in(client, cast["patient"]).get("/me/").content.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "advertising"},
        {"given": "perhaps"},
        {"signed_on": (timezone.localdate() + timedelta(days=2)).isoformat()},
        {"signed_on": "yesterday"},
        {"reference": ""},
        {"reference": "x" * 81},
        {"read": ""},
    ],
)
def test_a_paper_that_is_not_clear_is_not_entered_and_nothing_typed_is_lost(
    wrong, client, cast, patient, paper
) -> None:
    answer = sign_in(client, cast["nurse"]).post(f"/patients/{patient.pk}/consents/", paper | wrong)
    assert answer.status_code == 400
    assert not Consent.objects.exists()
    if "reference" not in wrong:
        assert "Folder 7, 12" in answer.content.decode()


def test_only_those_who_may_enter_for_this_patient(client, cast, patient, foreign_patient, paper) -> None:
    for role in ("caregiver", "trainer", "patient", "outsider"):
        assert sign_in(client, cast[role]).post(f"/patients/{patient.pk}/consents/", paper).status_code in {403, 404}
    sign_in(client, cast["nurse"])
    assert client.post(f"/patients/{foreign_patient.pk}/consents/", paper).status_code == 404
    assert not Consent.objects.exists()
