"""The what-if studio as served: who may ask, what is answered, and what is said when there is nothing to start from."""

from __future__ import annotations

import json
import uuid

import pytest
from django.urls import reverse

from compliance.models import Event
from twin.whatif.scenario import KNOBS

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
MAY = {"physician", "trainer"}


@pytest.fixture
def ask(client, cast, patient):
    def post(described, role="trainer", who=None):
        client.force_login(cast[role], backend=BACKEND)
        url = reverse("twin:what_if_run", args=[(who or patient).pk])
        body = described if isinstance(described, str) else json.dumps(described)
        return client.post(url, body, content_type="application/json", headers={"accept": "application/json"})

    return post


@pytest.mark.parametrize("role", ["nurse", "physician", "caregiver", "administrator", "trainer", "outsider"])
def test_only_physician_and_trainer_may_ask(client, cast, patient, living, ask, role):
    client.force_login(cast[role], backend=BACKEND)
    page = client.get(reverse("twin:what_if", args=[patient.pk]))
    assert page.status_code == (200 if role in MAY else 403)
    assert ask({}, role).status_code == (200 if role in MAY else 403)


def test_patients_of_other_wards_do_not_exist_here(client, cast, foreign_patient, ask):
    assert ask({}, who=foreign_patient).status_code == 404
    assert client.get(reverse("twin:what_if", args=[foreign_patient.pk])).status_code == 404
    assert client.get(reverse("twin:what_if", args=[uuid.uuid4()])).status_code == 404


def test_anonymous_people_are_sent_to_sign_in(client, patient):
    for name in ("twin:what_if", "twin:what_if_run"):
        assert client.get(reverse(name, args=[patient.pk])).status_code == 302


def test_the_page_says_simulated_again_and_again_and_offers_every_knob(client, cast, patient, living):
    client.force_login(cast["trainer"], backend=BACKEND)
    text = client.get(reverse("twin:what_if", args=[patient.pk])).content.decode()
    assert text.count(">simulated<") >= 4
    for knob in KNOBS:
        assert f'name="{knob.name}" min="{knob.low}" max="{knob.high}"' in text


def test_two_futures_come_back_and_say_what_they_are(ask, living):
    answer = ask({"bolus_u": 5, "bolus_at_min": 10}).json()
    assert answer["simulated"] is True
    assert answer["now"]["words"] == "as now"
    assert answer["changed"]["words"] == "5 U bolus in 10 min"
    assert len(answer["now"]["minutes"]) == len(answer["changed"]["bands"][0]) == 97
    assert answer["changed"]["minutes_below_70"] > answer["now"]["minutes_below_70"]
    assert any("below 70" in sentence for sentence in answer["differences"])
    assert answer["past"][-1] == [0.0, 120.0]
    assert 1.0 < answer["insulin_on_board_u"] < 6.0


def test_an_answer_is_never_stored_as_a_reading(ask, living, worn):
    from devices.services.telemetry import store

    before = store().latest([device.pk for device in worn.values()])
    ask({"carbs_g": 60})
    assert store().latest([device.pk for device in worn.values()]) == before


def test_who_asked_is_kept_once_however_often_the_slider_moved(ask, living, cast, patient):
    for units in (1, 2, 3):
        ask({"bolus_u": units})
    kept = Event.objects.get(code="what_if_asked")
    assert (kept.count, kept.user, kept.patient) == (3, cast["trainer"], patient)


def test_without_a_sensor_the_reason_is_said(ask, worn):
    answer = ask({})
    assert answer.status_code == 409
    assert answer.json()["error"] == "glucose_missing"


def test_without_a_sensor_the_page_says_so_instead_of_showing_sliders(client, cast, patient, worn):
    client.force_login(cast["trainer"], backend="allauth.account.auth_backends.AuthenticationBackend")
    page = client.get(f"/patients/{patient.pk}/what-if/").content.decode()
    assert "No glucose has been measured in the last hours" in page
    assert 'type="range"' not in page
    assert "whatif.js" not in page


def test_an_old_value_is_no_present(ask, measure):
    measure("cgm", "glucose", [(3600.0, 110.0), (2400.0, 100.0)])
    answer = ask({})
    assert answer.status_code == 409
    assert "40 min old" in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"bolus_u": 100},
        {"bolus_u": -1},
        {"bolus_u": "5"},
        {"bolus_u": None},
        {"carbs_g": True},
        {"bolus": 5},
        [1, 2],
        "not json",
        "",
        '{"bolus_u": NaN}',
        '{"bolus_u": 1e999}',
        pytest.param('{"bolus_u": %s}' % ("9" * 400), id="a whole number beyond floats"),
        pytest.param('{"\\ud800": 1}', id="half a character"),
        '{"carbs_g": ' + " " * 3000 + "5}",
    ],
    ids=str,
)
def test_impossible_scenarios_are_refused_with_a_sentence(ask, living, body):
    answer = ask(body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "scenario_refused"


def test_asking_needs_post(client, cast, patient):
    client.force_login(cast["trainer"], backend=BACKEND)
    assert client.get(reverse("twin:what_if_run", args=[patient.pk])).status_code == 405
