"""Patients ask; somebody else answers, in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from compliance.errors import NotFound, OwnRequest, ReasonNeeded, RequestSettled, RequestWaits
from compliance.models import Event, PrivacyRequest
from compliance.privacy.purposes import How
from compliance.privacy.requests import RequestKind, RequestState
from compliance.selectors.privacy_requests import requests_for
from compliance.services.privacy_requests import ask, close, decide, extend, withdraw
from tests.conftest import sign_in

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def asked(cast, patient) -> PrivacyRequest:
    return ask(
        patient=patient, kind=RequestKind.OBJECTION, user=cast["patient"], how=How.SELF, words="Not my scans.", now=NOW
    )


def test_an_answer_is_owed_within_thirty_days_and_the_words_stay_out_of_the_log(asked) -> None:
    assert asked.due_at == NOW + timedelta(days=30)
    event = Event.objects.get(code="privacy_requested")
    assert "scans" not in f"{event.message}{event.detail}"


def test_the_same_objection_is_not_taken_twice_while_it_waits(asked, cast, patient) -> None:
    with pytest.raises(RequestWaits):
        ask(patient=patient, kind=RequestKind.OBJECTION, user=cast["patient"], how=How.SELF, words="", now=NOW)
    decide(request=asked, by=cast["administrator"], granted=False, answer="Needed for your care.", now=NOW)
    ask(patient=patient, kind=RequestKind.OBJECTION, user=cast["patient"], how=How.SELF, words="", now=NOW)


def test_corrections_may_wait_side_by_side(cast, patient) -> None:
    for _ in range(2):
        ask(patient=patient, kind=RequestKind.CORRECTION, user=cast["patient"], how=How.SELF, words="", now=NOW)
    assert PrivacyRequest.objects.filter(patient=patient, kind="correction").count() == 2


def test_who_entered_a_request_does_not_decide_it(cast, patient) -> None:
    admin = cast["administrator"]
    found = ask(patient=patient, kind=RequestKind.ERASURE, user=admin, how=How.PAPER, words="", now=NOW)
    with pytest.raises(OwnRequest):
        decide(request=found, by=admin, granted=True, answer="", now=NOW)


def test_a_refusal_says_why(asked, cast) -> None:
    with pytest.raises(ReasonNeeded):
        decide(request=asked, by=cast["administrator"], granted=False, answer=" ", now=NOW)


def test_a_granted_request_is_closed_when_it_is_carried_out_and_not_before(asked, cast) -> None:
    admin = cast["administrator"]
    with pytest.raises(RequestSettled):
        close(request=asked, by=admin, now=NOW)
    granted = decide(request=asked, by=admin, granted=True, answer="We stop.", now=NOW)
    assert (granted.state, granted.closed_at) == (RequestState.APPROVED, None)
    done = close(request=granted, by=admin, now=NOW, answer="We stopped.")
    assert (done.state, done.closed_at, done.answer) == (RequestState.DONE, NOW, "We stopped.")


def test_time_is_extended_once_and_before_it_is_over(asked, cast) -> None:
    admin = cast["administrator"]
    with pytest.raises(RequestSettled):
        extend(request=asked, by=admin, because="Many records", now=NOW + timedelta(days=31))
    longer = extend(request=asked, by=admin, because="Many records", now=NOW)
    assert longer.due_at == NOW + timedelta(days=90)
    with pytest.raises(RequestSettled):
        extend(request=asked, by=admin, because="Still many", now=NOW)


def test_only_who_asked_takes_a_request_back(asked, cast) -> None:
    with pytest.raises(NotFound):
        withdraw(request=asked, user=cast["nurse"], now=NOW)
    assert withdraw(request=asked, user=cast["patient"], now=NOW).state == RequestState.WITHDRAWN


def test_the_queue_holds_the_own_wards_alone(asked, cast, foreign_patient) -> None:
    ask(patient=foreign_patient, kind=RequestKind.ERASURE, user=cast["outsider"], how=How.PAPER, words="", now=NOW)
    assert list(requests_for(cast["administrator"])) == [asked]
    assert not requests_for(cast["nurse"]).exists()


def test_the_queue_says_what_is_late(asked, client, cast, patient) -> None:
    page = sign_in(client, cast["administrator"]).get(reverse("compliance:privacy"), {"show": "late"})
    assert patient.name in page.content.decode()
    PrivacyRequest.objects.update(due_at=datetime.now(tz=UTC) + timedelta(days=9))
    page = client.get(reverse("compliance:privacy"), {"show": "late"})
    assert "Nothing is late." in page.content.decode()


def test_a_decision_needs_a_fresh_second_factor(asked, client, cast) -> None:
    url = reverse("compliance:privacy_request", args=[asked.pk])
    form = {"act": "decide", "verdict": "no", "answer": "Needed for your care."}
    answer = sign_in(client, cast["administrator"]).post(url, form)
    assert answer["Location"].startswith("/account/step-up/")
    asked.refresh_from_db()
    assert asked.state == RequestState.OPEN
    assert sign_in(client, cast["administrator"], fresh=True).post(url, form)["Location"] == url
    own = sign_in(client, cast["patient"]).get(reverse("compliance:own_requests")).content.decode()
    assert "Needed for your care." in own


def test_a_patient_asks_and_takes_it_back_on_the_own_page(client, cast) -> None:
    url = reverse("compliance:own_requests")
    sign_in(client, cast["patient"])
    assert client.post(url, {"kind": "erasure", "words": "x"}).status_code == 400, "erasure has a form of its own"
    assert client.post(url, {"kind": "objection", "words": "No teaching."}).status_code == 302
    found = PrivacyRequest.objects.get()
    assert (found.kind, found.how, found.words) == ("objection", "self", "No teaching.")
    client.post(reverse("compliance:withdraw_request", args=[found.pk]))
    found.refresh_from_db()
    assert found.state == RequestState.WITHDRAWN
