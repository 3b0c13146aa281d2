"""A patient calls something wrong; somebody else corrects it, marks it, or says why not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse

from compliance.errors import NotFound, OwnRequest, PatientInvalid, ReasonNeeded, RequestSettled
from compliance.models import AccessRecord, Correction, Event, Patient, PrivacyRequest
from compliance.privacy.corrections import CorrectionPart
from compliance.privacy.erasers import parts
from compliance.privacy.purposes import How
from compliance.privacy.requests import RequestState
from compliance.selectors.corrections import corrections_of, notes_for, notes_on
from compliance.services.corrections import accept_correction, ask_correction, disagree, refuse_correction
from compliance.services.over_age import _requests
from tests.conftest import sign_in
from tests.system.objects import objects_of

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def asked(cast, patient):
    """Return `asked(part, right)`: the request of a correction by the patient."""

    def ask(part: str, right: str, user: str = "patient") -> PrivacyRequest:
        return ask_correction(
            patient=patient, part=CorrectionPart(part), stands="Quaxolotl", right=right, user=cast[user], how=How.SELF,
            now=NOW,
        ).request  # fmt: skip

    return ask


def accept(request: PrivacyRequest, cast, by: str = "administrator") -> PrivacyRequest:
    return accept_correction(request=request, by=cast[by], answer="", now=NOW)


@pytest.mark.parametrize(
    ("part", "right", "held", "former"),
    [
        ("given_name", "Augusta", "Augusta", "Ada"),
        ("family_name", "Lovelace", "Lovelace", "Byron"),
        ("birth_date", "18.05.1961", date(1961, 5, 18), "1961-05-17"),
        ("sex", "Other", "other", "female"),
        ("weight_kg", "71,5 kg", 71.5, "70.0"),
        ("conditions", "Asthma", "Asthma", ""),
        ("bed", "5-2", "5-2", "4-1"),
    ],
)
def test_accepting_changes_the_record_and_keeps_what_stood_there(asked, cast, patient, part, right, held, former):
    done = accept(asked(part, right), cast)
    assert (done.state, done.answer) == (RequestState.DONE, "Your record is corrected.")
    assert getattr(Patient.objects.get(pk=patient.pk), part) == held
    correction = Correction.objects.get()
    assert (correction.outcome, correction.former_text) == ("changed", former)


def test_the_event_names_the_field_and_the_request_and_never_a_value(asked, cast, patient) -> None:
    request = asked("family_name", "Lovelace")
    accept(request, cast)
    event = Event.objects.get(code="record_corrected")
    assert (event.patient, event.user) == (patient, cast["administrator"])
    assert event.detail == {"field": "family_name", "request": str(request.pk)}
    said = "".join(f"{one.message}{one.detail}" for one in Event.objects.all())
    assert not [word for word in ("Lovelace", "Byron", "Quaxolotl") if word in said]


def test_no_text_of_a_correction_lies_open_in_the_table(asked, cast) -> None:
    refuse_correction(request=asked("conditions", "Asthma"), by=cast["administrator"], answer="No.", now=NOW)
    disagree(request=PrivacyRequest.objects.get(), user=cast["patient"], words="Zyzzyva", now=NOW)
    row = str(Correction.objects.values().get())
    assert not [word for word in ("Quaxolotl", "Asthma", "Zyzzyva") if word in row]
    assert Correction.objects.get().disagreement_text == "Zyzzyva"


@pytest.mark.parametrize(
    ("part", "right"),
    [
        ("birth_date", "1961-02-30"), ("birth_date", "2999-01-01"), ("birth_date", "1700-01-01"), ("sex", "yes"),
        ("weight_kg", "heavy"), ("weight_kg", "9000"), ("weight_kg", "nan"), ("bed", "b" * 17),
        ("conditions", "c" * 201), ("family_name", " "), ("given_name", "g" * 81),
    ],
)  # fmt: skip
def test_what_cannot_be_true_is_refused_when_it_is_asked(asked, patient, part, right) -> None:
    with pytest.raises(PatientInvalid):
        asked(part, right)
    assert not PrivacyRequest.objects.exists()


def test_neither_who_asked_nor_the_patient_decides(asked, cast) -> None:
    admin = cast["administrator"]
    with pytest.raises(OwnRequest):
        accept(asked("bed", "5-2", user="administrator"), cast)
    mine = asked("bed", "5-3", user="nurse")
    admin.own_patient = mine.patient
    for act in (accept_correction, refuse_correction):
        with pytest.raises(OwnRequest):
            act(request=mine, by=admin, answer="Because.", now=NOW)
    assert Patient.objects.get().bed == "4-1"


def test_the_second_of_two_who_decide_at_once_changes_nothing(asked, cast, make_user, ward) -> None:
    request = asked("bed", "5-2")
    seen_by_the_other = PrivacyRequest.objects.get(pk=request.pk)
    other = make_user("administrator", ward=ward, username="second")
    accept(request, cast)
    Patient.objects.update(bed="9-9")
    with pytest.raises(RequestSettled):
        accept_correction(request=seen_by_the_other, by=other, answer="", now=NOW)
    with pytest.raises(RequestSettled):
        refuse_correction(request=seen_by_the_other, by=other, answer="No.", now=NOW)
    assert Patient.objects.get().bed == "9-9"
    assert Event.objects.filter(code="record_corrected").count() == 1


def test_a_measured_value_stays_and_is_marked_for_those_who_see_to_decisions(asked, cast, patient) -> None:
    done = accept(asked("value", "It was 95"), cast)
    assert done.state == RequestState.DONE
    assert [note.right_text for note in notes_for(cast["nurse"], patient)] == ["It was 95"]
    assert not notes_for(cast["caregiver"], patient)
    assert not notes_for(cast["outsider"], patient)
    assert Event.objects.get(code="record_disputed").detail["field"] == "value"


def test_the_mark_stands_on_the_page_and_in_the_evidence(asked, cast, client, patient) -> None:
    place = objects_of(patient)
    Correction.objects.all().delete()
    accept(asked("value", "It was 95"), cast)
    sign_in(client, cast["nurse"])
    assert "It was 95" in client.get(reverse("twin:patient", args=[patient.pk])).content.decode()
    near = client.get(reverse("twin:near_evidence", args=[patient.pk]), {"metric": "glucose", "t": NOW.timestamp()})
    shown = near if near.status_code == 200 else client.get(reverse("twin:alert_evidence", args=[place["alert_id"]]))
    assert "It was 95" in shown.content.decode()


def test_a_dose_is_corrected_where_it_stands_and_then_the_request_is_closed(asked, cast, client, patient) -> None:
    objects_of(patient)
    request = asked("medication", "I took none")
    assert accept(request, cast).state == RequestState.APPROVED
    url = reverse("compliance:correction", args=[request.pk])
    sign_in(client, cast["administrator"], fresh=True)
    assert "Correct it where it stands" in client.get(url).content.decode()
    client.post(url, {"act": "done", "answer": "The entry is struck out."})
    request.refresh_from_db()
    assert (request.state, request.answer) == (RequestState.DONE, "The entry is struck out.")


def test_a_refusal_says_why_and_a_statement_stands_once_with_the_record(asked, cast, patient) -> None:
    request, admin, own = asked("conditions", "None at all"), cast["administrator"], cast["patient"]
    with pytest.raises(RequestSettled):
        disagree(request=request, user=own, words="Too early", now=NOW)
    with pytest.raises(ReasonNeeded):
        refuse_correction(request=request, by=admin, answer=" ", now=NOW)
    refuse_correction(request=request, by=admin, answer="Two tests show it.", now=NOW)
    with pytest.raises(NotFound):
        disagree(request=request, user=cast["nurse"], words="Not mine", now=NOW)
    with pytest.raises(ReasonNeeded):
        disagree(request=request, user=own, words=" ", now=NOW)
    assert not notes_on(patient)
    disagree(request=request, user=own, words="Both were mixed up.", now=NOW)
    with pytest.raises(RequestSettled):
        disagree(request=request, user=own, words="Something else.", now=NOW)
    assert [row.disagreement_text for row in notes_on(patient)] == ["Both were mixed up."]
    assert [row.disagreement_text for row in corrections_of(patient)] == ["Both were mixed up."], "what a copy holds"


def test_a_statement_stays_with_the_record_when_closed_requests_are_over_age(asked, cast) -> None:
    refused, accepted = asked("conditions", "None at all"), asked("bed", "5-2")
    refuse_correction(request=refused, by=cast["administrator"], answer="No.", now=NOW)
    disagree(request=refused, user=cast["patient"], words="Still wrong.", now=NOW)
    accept(accepted, cast)
    gone = _requests(NOW + timedelta(days=2000), Patient.objects.none().values("pk"))
    assert list(gone) == [accepted]


def test_erasure_removes_what_stood_there_before(asked, cast, patient) -> None:
    accept(asked("bed", "5-2"), cast)
    part = next(one for one in parts() if one.key == "corrections")
    assert (part.erase(patient.pk, 500), part.erase(patient.pk, 500)) == (1, 0)
    assert not Correction.objects.exists()


def test_both_sides_do_it_on_their_pages(cast, client, patient) -> None:
    ask = reverse("compliance:ask_correction")
    sign_in(client, cast["patient"])
    form = {"part": "birth_date", "stands": "1961-05-17", "right": "1961-02-30"}
    wrong = client.post(ask, form)
    assert wrong.status_code == 400
    assert "Write a day that exists" in wrong.content.decode()
    assert "1961-02-30" in wrong.content.decode(), "what was typed is not lost"
    assert client.post(ask, form | {"right": "1961-05-18"}).status_code == 302
    request = PrivacyRequest.objects.get()
    url = reverse("compliance:correction", args=[request.pk])
    sign_in(client, cast["administrator"])
    assert client.post(url, {"act": "refuse", "answer": "No."})["Location"].startswith("/account/step-up/")
    sign_in(client, cast["administrator"], fresh=True)
    assert url in client.get(reverse("compliance:privacy")).content.decode()
    assert client.post(url, {"act": "accept"}).status_code == 400, "the box is not ticked"
    assert client.post(url, {"act": "refuse", "answer": "The passport says so."}).status_code == 302
    assert client.post(url, {"act": "accept", "sure": "on"}).status_code == 409
    assert AccessRecord.objects.filter(user=cast["administrator"], what="privacy_request").exists()
    sign_in(client, cast["patient"])
    own = client.get(reverse("compliance:own_requests")).content.decode()
    disagreeing = reverse("compliance:disagree", args=[request.pk])
    assert "The passport says so." in own
    assert disagreeing in own
    assert client.post(disagreeing, {"words": "The passport is wrong."}).status_code == 302
    sign_in(client, cast["administrator"], fresh=True)
    assert "The passport is wrong." in client.get(url).content.decode()


def test_strangers_find_nothing(asked, cast, client, make_user, foreign_patient, other_ward) -> None:
    request = asked("bed", "5-2")
    staff, own = reverse("compliance:correction", args=[request.pk]), reverse("compliance:disagree", args=[request.pk])
    elsewhere = make_user("administrator", ward=other_ward, username="elsewhere")
    for user in (cast["outsider"], elsewhere):
        sign_in(client, user, fresh=True)
        assert [client.get(url).status_code for url in (staff, own)] == [404, 404]
        assert client.post(staff, {"act": "accept", "sure": "on"}).status_code == 404
    sign_in(client, make_user("patient", own_patient=foreign_patient, username="another"))
    assert client.post(own, {"words": "x"}).status_code == 404
    assert Patient.objects.get(pk=request.patient_id).bed == "4-1"


def test_a_correction_is_not_decided_where_the_record_does_not_change(asked, cast, client) -> None:
    url = reverse("compliance:privacy_request", args=[asked("bed", "5-2").pk])
    sign_in(client, cast["administrator"], fresh=True)
    assert client.post(url, {"act": "decide", "verdict": "yes", "answer": ""}).status_code == 404
