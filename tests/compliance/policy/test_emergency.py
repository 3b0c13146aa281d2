"""Break-glass: opened with a reason and a fresh factor, told at once, limited, judged; strangers learn nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from compliance.models import EmergencyAccess, Event, LogEntry, Notice
from compliance.selectors.notices import open_notices_for

pytestmark = pytest.mark.django_db
SECRET = "She fell in the corridor"


@pytest.fixture
def form(foreign_patient):
    return {
        "record_number": foreign_patient.medical_record_number,
        "birth_date": foreign_patient.birth_date.isoformat(),
        "reason": "emergency",
        "explanation": SECRET,
    }


@pytest.fixture
def far_administrator(make_user, other_ward):
    return make_user("administrator", ward=other_ward, username="far")


def test_it_opens_one_record_for_an_hour_and_tells_the_ward_at_once(
    fresh_client, cast, form, foreign_patient, far_administrator
):
    client = fresh_client(cast["nurse"])
    assert client.get(f"/patients/{foreign_patient.pk}/").status_code == 404
    assert client.post("/emergency/", form)["Location"] == f"/patients/{foreign_patient.pk}/"
    page = client.get(f"/patients/{foreign_patient.pk}/")
    assert page.status_code == 200
    assert b"open to you outside your care relationship" in page.content
    assert b"open to you outside" in client.get("/alerts/").content  # on every page
    access = EmergencyAccess.objects.get()
    assert access.ends_at - access.opened_at == timedelta(minutes=60)
    assert [notice.link for notice in open_notices_for(far_administrator)] == [f"/emergency/reviews/{access.pk}/"]
    assert not open_notices_for(cast["administrator"])  # of another ward


def test_the_explanation_is_in_no_event_log_or_notice(fresh_client, cast, form, far_administrator, caplog):
    fresh_client(cast["nurse"]).post("/emergency/", form)
    assert SECRET not in caplog.text
    for model in (Event, LogEntry, Notice):
        for row in model.objects.values():
            assert SECRET not in str(row)


def test_it_is_over_after_its_time_and_when_it_is_closed(fresh_client, cast, form, foreign_patient):
    client = fresh_client(cast["nurse"])
    client.post("/emergency/", form)
    client.post(f"/emergency/{EmergencyAccess.objects.get().pk}/end/")
    assert client.get(f"/patients/{foreign_patient.pk}/").status_code == 404
    client.post("/emergency/", form)
    EmergencyAccess.objects.update(ends_at=timezone.now())
    assert client.get(f"/patients/{foreign_patient.pk}/").status_code == 404


def test_an_absent_patient_and_a_wrong_birth_date_get_the_same_answer(fresh_client, cast, form):
    client = fresh_client(cast["nurse"])
    absent = client.post("/emergency/", {**form, "record_number": "T-404"})
    wrong = client.post("/emergency/", {**form, "birth_date": "1999-01-01"})
    assert absent.status_code == wrong.status_code == 404
    assert absent.context["problem"] == wrong.context["problem"]
    assert b"Somerville" not in absent.content + wrong.content
    assert not EmergencyAccess.objects.exists()


def test_guessing_is_counted_and_stopped(fresh_client, cast, form):
    client = fresh_client(cast["nurse"])
    for _ in range(5):
        assert client.post("/emergency/", {**form, "record_number": "T-404"}).status_code == 404
    assert client.post("/emergency/", form).status_code == 429
    assert not EmergencyAccess.objects.exists()


@pytest.mark.parametrize("missing", ["reason", "explanation", "birth_date", "record_number"])
def test_nothing_opens_without_a_reason_and_an_explanation(fresh_client, cast, form, missing):
    assert fresh_client(cast["nurse"]).post("/emergency/", {**form, missing: " "}).status_code == 400
    assert not EmergencyAccess.objects.exists()


@pytest.mark.parametrize("role", ["caregiver", "administrator", "trainer", "patient", "outsider"])
def test_other_roles_cannot(fresh_client, cast, form, role):
    assert fresh_client(cast[role]).post("/emergency/", form).status_code == 403


def test_without_a_fresh_factor_it_is_asked_for_first(client, cast, form):
    from tests.conftest import sign_in

    assert "/account/step-up/" in sign_in(client, cast["nurse"]).post("/emergency/", form)["Location"]
    assert not EmergencyAccess.objects.exists()


def test_a_record_within_reach_raises_no_alarm(fresh_client, cast, form, patient):
    mine = {**form, "record_number": patient.medical_record_number}
    assert fresh_client(cast["nurse"]).post("/emergency/", mine).status_code == 302
    assert not EmergencyAccess.objects.exists()


def test_an_administrator_of_the_ward_judges_once(fresh_client, cast, form, far_administrator, client):
    from django.test import Client

    from tests.conftest import sign_in

    fresh_client(cast["nurse"]).post("/emergency/", form)
    place = f"/emergency/reviews/{EmergencyAccess.objects.get().pk}/"
    assert sign_in(Client(), cast["administrator"]).post(place, {"verdict": "justified"}).status_code == 404
    judge = sign_in(Client(), far_administrator)
    assert SECRET in judge.get(place).content.decode()
    assert judge.post(place, {"verdict": "not"}).status_code == 400  # without a word why
    assert judge.post(place, {"verdict": "not", "note": "She was not your patient."}).status_code == 302
    access = EmergencyAccess.objects.get()
    assert (access.justified, access.reviewed_by) == (False, far_administrator)
    assert not open_notices_for(far_administrator)
    judge.post(place, {"verdict": "justified"})
    access.refresh_from_db()
    assert access.justified is False
    assert Event.objects.filter(code="emergency_access_judged").count() == 1
