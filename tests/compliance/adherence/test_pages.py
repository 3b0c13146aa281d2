"""The adherence page and its panel: who sees them, what they say, and entering a dose by hand."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compliance.models import Event, Intake, ScheduledDose
from compliance.services.demo_regimens import ensure_demo_regimens
from compliance.services.regimens import order_single_dose

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
MAY_VIEW = {"nurse", "physician", "caregiver", "trainer"}
MAY_RECORD = {"nurse", "physician"}


@pytest.fixture
def cared_for(patient):
    ensure_demo_regimens([patient])
    return patient


@pytest.fixture
def open_dose(regimen):
    now = timezone.now()
    return order_single_dose(regimen=regimen, due_at=now, local_date=now.date(), now=now)


def _client(user) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.mark.parametrize("name", ["compliance:adherence", "compliance:medication_panel"])
def test_each_role_sees_medication_as_the_policy_says(cast, cared_for, name):
    url = reverse(name, args=[cared_for.pk])
    seen = {role for role, user in cast.items() if _client(user).get(url).status_code == 200}
    assert seen == MAY_VIEW
    assert _client(cast["administrator"]).get(url).status_code == 404
    assert _client(cast["outsider"]).get(url).status_code == 404


def test_patient_of_another_ward_is_not_there(cast, foreign_patient):
    for role in MAY_VIEW:
        url = reverse("compliance:adherence", args=[foreign_patient.pk])
        assert _client(cast[role]).get(url).status_code == 404


def test_anonymous_is_sent_to_sign_in(cared_for):
    response = Client().get(reverse("compliance:adherence", args=[cared_for.pk]))
    assert response.status_code == 302
    assert "/account/login" in response["Location"]


def test_page_shows_measures_reasons_and_says_that_all_is_synthetic(cast, cared_for):
    page = _client(cast["nurse"]).get(reverse("compliance:adherence", args=[cared_for.pk])).content.decode()
    assert "trained on synthetic data" in page
    assert "Part of this history is synthetic" in page
    assert page.count("the risk</span>") == 3
    assert "Days covered (PDC)" in page
    assert page.count("<circle") > 20
    assert " style=" not in page
    assert "<script>" not in page


@pytest.mark.parametrize(("asked", "shown"), [("14", 14), ("60", 60), ("-3", 30), ("x", 30), ("9999999", 30)])
def test_period_is_one_of_those_offered(cast, cared_for, asked, shown):
    response = _client(cast["nurse"]).get(reverse("compliance:adherence", args=[cared_for.pk]), {"days": asked})
    assert response.context["period"] == shown


def test_patient_without_a_plan_gets_a_page_with_empty_states(cast, patient):
    page = _client(cast["nurse"]).get(reverse("compliance:adherence", args=[patient.pk])).content.decode()
    assert "No doses in this period." in page
    assert "No doses today." in page
    assert "No dose is planned." in page


def test_only_those_who_may_record_get_the_button_and_the_right(cast, open_dose):
    url, panel = reverse("compliance:enter_intake", args=[open_dose.pk]), "compliance:medication_panel"
    for role, user in cast.items():
        client = _client(user)
        if role in MAY_VIEW:
            page = client.get(reverse(panel, args=[open_dose.patient_id])).content.decode()
            assert (url in page) == (role in MAY_RECORD)
        if role not in MAY_RECORD:
            assert client.post(url).status_code == 404
    assert not Intake.objects.exists()


def test_nurse_enters_a_dose_and_takes_it_back(cast, open_dose):
    client = _client(cast["nurse"])
    page = client.post(reverse("compliance:enter_intake", args=[open_dose.pk]), headers=HTMX).content.decode()
    assert "entered by nurse" in page
    undo = reverse("compliance:undo_intake", args=[Intake.objects.get().pk])
    assert undo in page
    assert "due now" in client.post(undo, headers=HTMX).content.decode()
    acts = Event.objects.exclude(code="record_viewed")  # the panel that comes back is a look at the record
    assert set(acts.values_list("code", flat=True)) == {"intake_entered", "intake_withdrawn"}
    assert set(Event.objects.values_list("user", flat=True)) == {cast["nurse"].pk}


def test_second_entry_gets_a_sentence_instead_of_a_second_intake(cast, open_dose):
    client, url = _client(cast["nurse"]), reverse("compliance:enter_intake", args=[open_dose.pk])
    client.post(url, headers=HTMX)
    assert "cannot be marked now" in client.post(url, headers=HTMX).content.decode()
    assert client.post(url).status_code == 409
    assert Intake.objects.count() == 1


def test_plain_form_works_without_javascript(cast, open_dose):
    client = _client(cast["physician"])
    response = client.post(reverse("compliance:enter_intake", args=[open_dose.pk]))
    assert response.status_code == 302
    assert ScheduledDose.objects.get(pk=open_dose.pk).state == "taken"


def test_entry_needs_a_csrf_token_and_a_post(cast, open_dose):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast["nurse"], backend="allauth.account.auth_backends.AuthenticationBackend")
    url = reverse("compliance:enter_intake", args=[open_dose.pk])
    assert client.post(url).status_code == 403
    assert client.get(url).status_code == 405
    assert ScheduledDose.objects.get(pk=open_dose.pk).state == "pending"


def test_missed_dose_is_told_without_blame(cast, open_dose):
    ScheduledDose.objects.filter(pk=open_dose.pk).update(state="missed")
    url = reverse("compliance:medication_panel", args=[open_dose.patient_id])
    page = _client(cast["nurse"]).get(url).content.decode()
    assert "not seen" in page
    assert "missed</" not in page


def test_times_are_the_patients_own(cast, patient, regimen):
    due = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
    order_single_dose(regimen=regimen, due_at=due, local_date=due.date(), now=due - timedelta(hours=1))
    page = _client(cast["nurse"]).get(reverse("compliance:adherence", args=[patient.pk]), {"days": 14}).content.decode()
    berlin = due.astimezone(ZoneInfo("Europe/Berlin"))
    assert f"{berlin:%H:%M}: Ramipril" in page


@pytest.mark.parametrize(
    ("finding", "drop_g", "words"),
    [
        ("opened", -0.001, "Opened, nothing taken out"),
        ("opened", -0.001, "tray unchanged, 97 % sure"),
        ("refilled", -2.8, "tray 2.80 g heavier"),
        ("several", 1.0, "Three or more doses were taken out at once: please ask"),
        ("unclear", None, "not weighed"),
    ],
)
def test_openings_that_settled_no_dose_are_told_in_words(cast, patient, finding, drop_g, words):
    now = timezone.now()
    Intake.objects.create(
        patient=patient,
        source="pillbox",
        finding=finding,
        confidence=0.97,
        at=now - timedelta(minutes=5),
        recorded_at=now,
        device_id=1,
        seq=1,
        weight_drop_g=drop_g,
    )
    url = reverse("compliance:medication_panel", args=[patient.pk])
    assert words in _client(cast["nurse"]).get(url).content.decode()
