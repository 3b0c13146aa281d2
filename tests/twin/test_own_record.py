"""The patient's own page: everything about oneself, nothing about anybody else, and nobody else gets in."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.models import AccessRecord, Consent
from compliance.privacy.purposes import TERMS, TEXT_VERSION, AccessPurpose
from compliance.selectors.consents import consent_allows
from compliance.services.accesses import record_access
from tests.conftest import sign_in as proved

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
pytestmark = pytest.mark.django_db


@pytest.fixture
def sign_in(client, cast):
    def sign_in(role: str):
        client.force_login(cast[role], backend=BACKEND)
        return client

    return sign_in


def test_a_patient_is_led_to_the_own_record_and_finds_every_use_explained(sign_in, patient) -> None:
    response = sign_in("patient").get("/", follow=True)
    assert response.redirect_chain == [("/me/", 302)]
    html = response.content.decode()
    assert "Hello, Ada" in html
    for terms in TERMS.values():
        assert terms.title in html
        assert terms.explanation in html


def test_a_switch_takes_effect_at_once(sign_in, patient) -> None:
    client = sign_in("patient")
    answer = client.post("/me/uses/training/", {"given": "no", "text_version": TEXT_VERSION})
    assert (answer.status_code, answer["Location"]) == (302, "/me/#use-training")
    assert not consent_allows(patient.pk, "training")
    assert 'aria-checked="false"' in client.get("/me/").content.decode()
    assert Consent.objects.get().how == "self"


@pytest.mark.parametrize(
    ("purpose", "body", "status"),
    [
        ("training", {}, 400),
        ("training", {"given": "maybe", "text_version": TEXT_VERSION}, 400),
        ("advertising", {"given": "yes", "text_version": TEXT_VERSION}, 400),
        ("training", {"given": "yes", "text_version": "1999-1"}, 409),
    ],
)
def test_a_decision_that_is_unclear_changes_nothing(purpose, body, status, sign_in, patient) -> None:
    assert sign_in("patient").post(f"/me/uses/{purpose}/", body).status_code == status
    assert not Consent.objects.exists()


def test_the_patient_reads_who_looked_why_and_when_it_was_an_emergency(sign_in, cast, patient, foreign_patient) -> None:
    sign_in("nurse").get(f"/patients/{patient.pk}/")
    record_access(user=cast["physician"], patient=patient, what="study", purpose=AccessPurpose.EMERGENCY)
    record_access(user=cast["trainer"], patient=foreign_patient, what="patient_page")
    html = sign_in("patient").get("/me/").content.decode()
    assert "Page on the ward" in html
    assert "emergency access" in html
    assert "trainer" not in html


def test_the_accounting_is_a_table_without_formulas(sign_in, cast, patient) -> None:
    cast["nurse"].first_name = "=1+1"
    cast["nurse"].save()
    record_access(user=cast["nurse"], patient=patient, what="image")
    client = sign_in("patient")
    assert client.get("/me/who-looked.csv").status_code == 302, "it leaves the house: a fresh second factor first"
    response = proved(client, cast["patient"], fresh=True).get("/me/who-looked.csv")
    rows = list(csv.reader(io.StringIO(response.content.decode())))
    assert rows[0] == ["when", "who", "role", "what", "purpose"]
    assert rows[1][1:] == ["'=1+1", "nurse", "A single image", "Your treatment"]
    assert len(rows) == 2, "the patient's own looks are no disclosures"


@pytest.mark.parametrize("role", ["nurse", "physician", "caregiver", "administrator", "trainer", "outsider"])
def test_nobody_else_has_an_own_record(role, sign_in) -> None:
    client = sign_in(role)
    assert client.get("/me/").status_code == 404
    assert client.get("/me/who-looked.csv").status_code == 404
    assert client.post("/me/uses/training/", {"given": "no", "text_version": TEXT_VERSION}).status_code == 404
    assert not Consent.objects.exists()


def test_a_patient_reaches_no_page_of_staff_not_even_about_themselves(sign_in, patient) -> None:
    client = sign_in("patient")
    for path in ("", "adherence/", "history/", "orders/", "what-if/"):
        assert client.get(f"/patients/{patient.pk}/{path}").status_code in {403, 404}


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("", "patient_page"),
        ("history/?keys=glucose", "history"),
        ("adherence/", "adherence"),
        ("orders/", "orders"),
        ("what-if/", "what_if"),
    ],
)
def test_each_page_about_a_patient_leaves_its_trace(path, what, sign_in, cast, patient) -> None:
    sign_in("physician").get(f"/patients/{patient.pk}/{path}")
    record = AccessRecord.objects.get()
    assert (record.user, record.patient, record.what, record.purpose) == (
        cast["physician"],
        patient,
        what,
        "treatment",
    )
    assert timezone.now() - record.at < timedelta(minutes=1)


def test_images_leave_their_trace_and_a_refusal_leaves_none(sign_in, cast, patient, foreign_patient) -> None:
    from tests.system.objects import objects_of

    mine, foreign = objects_of(patient), objects_of(foreign_patient)
    client = sign_in("nurse")
    for made in (mine, foreign):
        client.get(f"/imaging/studies/{made['study_id']}/")
        client.get(f"/imaging/studies/{made['study_id']}/pixels/{made['instance_id']}/")
    looked = AccessRecord.objects.filter(user=cast["nurse"]).values_list("patient", "what")
    assert set(looked) == {(patient.pk, "study"), (patient.pk, "image")}
