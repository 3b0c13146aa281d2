"""The medication page and its forms: who may do what, and what a wrong form says."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compliance.models import Administration, MedicationOrder
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_(cast):
    """Return a maker of clients: `as_("nurse")`, with a fresh second factor."""
    return lambda role, fresh=True: sign_in(Client(), cast[role], fresh=fresh)


def page(patient) -> str:
    return reverse("compliance:orders", args=[patient.pk])


def _there() -> datetime:
    """Return the time of now where the patient is: around midnight it is another day than in UTC."""
    return timezone.now().astimezone(ZoneInfo("Europe/Berlin"))


def order_data(**changes) -> dict[str, object]:
    return {
        "dose": "5", "times": "08:00", "weekdays": range(7), "early_minutes": 60, "late_minutes": 60,
        "starts_on": f"{_there():%Y-%m-%d}", "max_single": "10", "max_daily": "10", **changes,
    }  # fmt: skip


def entry_data(**changes) -> dict[str, object]:
    return {"outcome": "given", "amount": "40", "at": f"{_there():%Y-%m-%dT%H:%M}", "reason": "", **changes}


def test_a_physician_prescribes_changes_and_stops(as_, patient):
    client, new = as_("physician"), reverse("compliance:new_order", args=[patient.pk])
    assert "Ramipril" in client.get(new).content.decode()
    assert "10 mg for one dose" in client.get(f"{new}?drug=ramipril-5").content.decode()
    assert client.post(f"{new}?drug=ramipril-5", order_data())["Location"] == page(patient)
    first = MedicationOrder.objects.get()
    change = reverse("compliance:change_order", args=[first.pk])
    assert 'value="08:00"' in client.get(change).content.decode()
    assert client.post(change, order_data(dose="10"))["Location"] == page(patient)
    second = MedicationOrder.objects.get(version=2)
    stop = reverse("compliance:stop_order", args=[second.pk])
    assert client.get(stop).status_code == 200
    assert client.post(stop, {"reason": "done"})["Location"] == page(patient)
    shown = client.get(page(patient)).content.decode()
    assert "Nothing is ordered" in shown
    assert "Version 1" in shown
    assert "treatment finished" in shown


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dose": "15", "max_single": "20"}, "The hard limit for a single dose of Ramipril is 10 mg."),
        ({"dose": "1e999"}, "Enter a number"),
        ({"times": "25:00"}, "Write times like"),
        ({"starts_on": "2020-01-01"}, "cannot begin in the past"),
        ({"dose": "3"}, "in steps of 2.5 mg"),
    ],
)
def test_a_wrong_order_is_refused_beside_its_field(as_, patient, changes, sentence):
    url = reverse("compliance:new_order", args=[patient.pk]) + "?drug=ramipril-5"
    answer = as_("physician").post(url, order_data(**changes))
    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert not MedicationOrder.objects.exists()


def test_an_order_wants_a_fresh_second_factor(as_, patient):
    url = reverse("compliance:new_order", args=[patient.pk])
    assert as_("physician", fresh=False).get(url)["Location"].startswith("/account/step-up/")


def test_only_physicians_prescribe_and_only_staff_record(as_, patient, enoxaparin):
    order, dose = enoxaparin
    for role in ("nurse", "caregiver", "administrator", "trainer"):
        for name, pk in (("new_order", patient.pk), ("change_order", order.pk), ("stop_order", order.pk)):
            assert as_(role).get(reverse(f"compliance:{name}", args=[pk])).status_code == 404
    for name in ("record_dose", "check_dose"):
        assert as_("caregiver").get(reverse(f"compliance:{name}", args=[dose.pk])).status_code == 404
    assert "Prescribe" not in as_("nurse").get(page(patient)).content.decode()


def test_two_people_give_a_high_alert_dose_and_one_corrects_it(as_, patient, enoxaparin):
    _, dose = enoxaparin
    record, check = (reverse(f"compliance:{name}", args=[dose.pk]) for name in ("record_dose", "check_dose"))
    alone = as_("physician").post(record, entry_data())
    assert "A colleague must check this dose" in alone.content.decode()
    assert as_("nurse").post(check, {"amount": "lots"}).status_code == 400
    assert "Above the order" in as_("nurse").post(check, {"amount": "140"}).content.decode()
    assert as_("nurse").post(check, {"amount": "40"})["Location"] == page(patient)
    assert as_("physician").post(record, entry_data())["Location"] == page(patient)
    entry = Administration.objects.get()
    assert "checked by nurse" in as_("nurse").get(page(patient)).content.decode()
    correct = reverse("compliance:correct_entry", args=[entry.pk])
    assert as_("nurse").get(correct).status_code == 200
    assert as_("nurse").post(correct, entry_data(outcome="void")).status_code == 400  # no reason
    assert as_("nurse").post(correct, entry_data(outcome="void", reason="mistake"))["Location"] == page(patient)
    assert as_("nurse").post(correct, entry_data(outcome="void", reason="mistake")).status_code == 400
    assert 'class="corrected"' in as_("nurse").get(page(patient)).content.decode()


def test_a_dose_that_needs_no_check_has_no_page_for_one(as_, ramipril):
    assert as_("nurse").get(reverse("compliance:check_dose", args=[ramipril[1].pk])).status_code == 404


def test_withheld_wants_a_reason(as_, patient, ramipril):
    record = reverse("compliance:record_dose", args=[ramipril[1].pk])
    assert "Choose a reason" in as_("nurse").post(record, entry_data(outcome="withheld")).content.decode()
    assert as_("nurse").post(record, entry_data(outcome="withheld", reason="fasting"))["Location"] == page(patient)


def test_the_panel_says_why_one_click_is_refused(as_, enoxaparin):
    url = reverse("compliance:enter_intake", args=[enoxaparin[1].pk])
    answer = as_("nurse").post(url, headers={"HX-Request": "true"})
    assert "A colleague must check this dose" in answer.content.decode()


def test_a_patient_without_orders_gets_empty_states(as_, patient):
    shown = as_("nurse").get(page(patient)).content.decode()
    assert "Nothing is ordered" in shown
    assert "No ordered doses today" in shown
