"""The pages with the cast: who sees, who acts, who is refused."""

from __future__ import annotations

import time

import pytest
from django.urls import reverse

from twin.models import Alert, AlertLimit
from twin.services import delivery

pytestmark = pytest.mark.django_db
MAY_ACT = ["nurse", "physician", "caregiver", "administrator"]


@pytest.fixture
def alert(cast, cgm, watch, batch_of):
    watch.receive(batch_of((cgm, "glucose", time.time(), 50.0)))
    return Alert.objects.get()


@pytest.fixture
def as_role(client, cast):
    def sign_in(role):
        client.force_login(cast[role], backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in


def pages(alert):
    return [
        reverse("twin:alerts"),
        reverse("twin:alerts") + "?show=history",
        reverse("twin:alert", args=[alert.pk]),
        reverse("twin:alerts_panel", args=[alert.patient_id]),
    ]


@pytest.mark.parametrize("role", [*MAY_ACT, "trainer"])
def test_page_opens_for_those_who_care_for_the_patient(as_role, alert, role):
    for url in pages(alert):
        assert as_role(role).get(url).status_code == 200, url


def test_outsider_is_refused_everywhere(as_role, alert):
    client = as_role("outsider")
    for url in [*pages(alert), reverse("twin:limits", args=[alert.patient_id])]:
        assert client.get(url).status_code in {403, 404}, url
    for act in ("acknowledge", "snooze", "resolve", "reopen"):
        assert client.post(reverse(f"twin:alert_{act}", args=[alert.pk]), {"reason": "x"}).status_code in {403, 404}
    assert Alert.objects.get().state == "open"


@pytest.mark.parametrize("role", MAY_ACT)
def test_acknowledging_goes_back_to_where_one_came_from(as_role, alert, role):
    answer = as_role(role).post(reverse("twin:alert_acknowledge", args=[alert.pk]), {"next": "/alerts/?priority=high"})
    assert (answer.status_code, answer["Location"]) == (302, "/alerts/?priority=high")
    assert Alert.objects.get().acknowledged_by.username == role


def test_foreign_address_is_not_followed(as_role, alert):
    url = reverse("twin:alert_acknowledge", args=[alert.pk])
    assert as_role("nurse").post(url, {"next": "https://evil.example/"})["Location"] == "/alerts/"


@pytest.mark.parametrize("act", ["acknowledge", "snooze", "resolve", "reopen"])
def test_trainer_sees_no_button_and_is_refused(as_role, alert, act):
    client = as_role("trainer")
    assert b"data-acknowledge" not in client.get(reverse("twin:alerts")).content
    assert client.post(reverse(f"twin:alert_{act}", args=[alert.pk]), {"reason": "x"}).status_code == 403
    assert Alert.objects.get().state == "open"


def test_htmx_answers_the_card_that_the_page_includes(as_role, alert):
    client, headers = as_role("nurse"), {"HX-Request": "true"}
    card = client.post(reverse("twin:alert_acknowledge", args=[alert.pk]), headers=headers).content.decode()
    assert f'id="alert-{alert.pk}"' in card
    assert "<html" not in card
    assert "is on it since" in card
    assert "Undo" in card
    card = client.post(reverse("twin:alert_reopen", args=[alert.pk]), headers=headers).content.decode()
    assert "data-acknowledge" in card


def test_colleague_was_faster(as_role, alert):
    client, headers = as_role("nurse"), {"HX-Request": "true"}
    client.post(reverse("twin:alert_resolve", args=[alert.pk]), {"reason": "Juice given"})
    answer = client.post(reverse("twin:alert_acknowledge", args=[alert.pk]), headers=headers)
    assert answer.status_code == 200
    assert "already resolved" in answer.content.decode()


def test_resolving_without_a_reason_is_refused(as_role, alert):
    assert as_role("nurse").post(reverse("twin:alert_resolve", args=[alert.pk])).status_code == 400


def test_acts_are_post_only(as_role, alert):
    assert as_role("nurse").get(reverse("twin:alert_acknowledge", args=[alert.pk])).status_code == 405


def test_list_shows_only_patients_in_care(as_role, cast, alert, foreign_patient):
    alert.patient = foreign_patient
    alert.save()
    answer = as_role("nurse").get(reverse("twin:alerts"))
    assert answer.status_code == 200
    assert "Glucose 50" not in answer.content.decode()
    assert as_role("nurse").get(reverse("twin:alert", args=[alert.pk])).status_code == 404


@pytest.mark.parametrize("query", ["?priority=low", "?patient=00000000-0000-4000-8000-000000000000", "?show=history"])
def test_filter_leaves_out_what_does_not_match(as_role, alert, query):
    answer = as_role("nurse").get(reverse("twin:alerts") + query)
    assert answer.status_code == 200
    assert "Glucose 50" not in answer.content.decode()


@pytest.mark.parametrize("query", ["", "?priority=high", "?priority=nonsense&patient=x&page=999"])
def test_filter_keeps_what_matches_and_survives_nonsense(as_role, alert, query):
    assert "Glucose 50" in as_role("nurse").get(reverse("twin:alerts") + query).content.decode()


def test_delivery_proof_names_each_person_and_time(as_role, cast, alert):
    delivery.mark_sent(alert_id=alert.pk, user_ids=[cast["nurse"].pk])
    delivery.mark_shown(alert_id=alert.pk, user=cast["nurse"])
    as_role("nurse").post(reverse("twin:alert_acknowledge", args=[alert.pk]))
    proof = as_role("nurse").get(reverse("twin:alert", args=[alert.pk])).context["proof"]
    line = next(line for line in proof if line.user == cast["nurse"])
    assert None not in (line.raised, line.sent, line.shown, line.acknowledged)
    assert line.raised <= line.sent <= line.shown <= line.acknowledged
    assert {entry.user.username for entry in proof} == set(MAY_ACT)


def test_list_does_not_ask_once_per_alert(
    as_role, cast, alert, make_device, watch, batch_of, django_assert_max_num_queries
):
    client = as_role("nurse")
    client.get(reverse("twin:alerts"))
    rows = [(make_device(serial=f"M-{i}"), "glucose", time.time(), 50.0) for i in range(20)]
    watch.forget()
    watch.receive(batch_of(*rows))
    with django_assert_max_num_queries(30):
        client.get(reverse("twin:alerts"))


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_physician_sets_limits_and_others_may_not(as_role, cgm, alert):
    url = reverse("twin:limits", args=[alert.patient_id])
    page = as_role("physician").get(url).content.decode()
    assert 'placeholder="70"' in page
    assert "Battelino" in page
    answer = as_role("physician").post(url, {"bound-glucose-low-medium": "80", "delay-glucose-high-medium": "600"})
    assert answer.status_code == 302
    kept = set(AlertLimit.objects.values_list("side", "bound", "delay_s"))
    assert kept == {("low", 80.0, 0.0), ("high", 250.0, 600.0)}
    for role in ("nurse", "caregiver", "trainer"):
        assert as_role(role).get(url).status_code == 404


@pytest.mark.parametrize("value", ["2", "40", "300", "abc", "nan", "inf"])
def test_limit_that_cannot_be_is_shown_beside_its_field(as_role, alert, value):
    url = reverse("twin:limits", args=[alert.patient_id])
    answer = as_role("physician").post(url, {"bound-glucose-low-medium": value})
    assert answer.status_code == 400
    assert 'class="wrong"' in answer.content.decode()
    assert not AlertLimit.objects.exists()
