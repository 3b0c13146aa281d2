"""Asking for erasure, deciding it, holding a record, and the schedule, as people meet them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from compliance.errors import AlreadyErased, ErasureHeld, ErasureObstructed, OwnRequest
from compliance.models import Administration, Erasure, Event, LegalHold, PrivacyRequest
from compliance.privacy.purposes import How
from compliance.privacy.requests import RequestKind, RequestState
from compliance.services.erasure import approve_erasure, resume_erasures, run_erasure
from compliance.services.holds import lift_hold, place_hold
from compliance.services.log import sequence
from compliance.services.privacy_requests import ask
from compliance.services.second_factor import PASSWORD
from devices.models import Device
from devices.services.registry import assign_device, register_device, register_gateway
from tests.conftest import sign_in

FORM = {"act": "approve", "ground": "not_needed", "unbound": "no_treatment", "answer": "Done.", "sure": "on"}


@pytest.fixture
def asked(cast, patient) -> PrivacyRequest:
    now = timezone.now()
    return ask(patient=patient, kind=RequestKind.ERASURE, user=cast["patient"], how=How.SELF, words="", now=now)


def approve(request: PrivacyRequest, by: object) -> Erasure:
    return approve_erasure(
        request=request, by=by, ground="unlawful", unbound="no_treatment", answer="", now=timezone.now()
    )


@pytest.fixture
def pump(patient, ward) -> Device:
    gateway = register_gateway(name="gw", ward=ward, public_key=bytes(32))
    return register_device(serial="p", kind="infusion_pump", label="Infusion pump", gateway=gateway, patient=patient)[0]


def test_somebody_on_a_pump_is_not_erased_and_the_page_says_what_to_do(asked, pump, client, cast) -> None:
    with pytest.raises(ErasureObstructed, match=f"Infusion pump \\(device {pump.pk}\\).*take them off first"):
        approve(asked, cast["administrator"])
    page = sign_in(client, cast["administrator"]).get(reverse("compliance:erasure", args=[asked.pk]))
    assert "take them off first" in page.content.decode()
    assert 'value="approve"' not in page.content.decode()
    assign_device(device=pump, patient=None)
    assert approve(asked, cast["administrator"]).steps.exists()


def test_a_hold_forbids_an_erasure_before_and_in_the_middle_of_it(asked, cast, patient) -> None:
    admin, now = cast["administrator"], timezone.now()
    hold = place_hold(patient=patient, by=admin, reason="case 7", now=now)
    with pytest.raises(ErasureHeld):
        approve(asked, admin)
    lift_hold(hold=hold, by=admin, reason="settled", now=now)
    erasure = approve(asked, admin)
    hold = place_hold(patient=patient, by=admin, reason="case 8", now=now)
    run_erasure(erasure.pk)
    erasure.refresh_from_db()
    assert "legal hold" in erasure.problem
    assert not erasure.steps.exclude(done_at=None).exists()
    lift_hold(hold=hold, by=admin, reason="settled", now=now)
    assert resume_erasures(now=now) == 1
    for _ in range(2):
        sequence()
        run_erasure(erasure.pk)
    erasure.refresh_from_db()
    assert erasure.finished_at


def test_nobody_is_erased_twice(asked, cast, patient) -> None:
    approve(asked, cast["administrator"])
    PrivacyRequest.objects.filter(pk=asked.pk).update(state="done")
    again = PrivacyRequest.objects.create(patient=patient, kind="erasure", how="paper", due_at=timezone.now())
    with pytest.raises(AlreadyErased):
        approve(again, cast["administrator"])


def test_who_entered_the_request_does_not_approve_it(cast, patient) -> None:
    admin = cast["administrator"]
    found = ask(patient=patient, kind=RequestKind.ERASURE, user=admin, how=How.PAPER, words="", now=timezone.now())
    with pytest.raises(OwnRequest):
        approve(found, admin)


def test_approving_needs_a_fresh_second_factor_and_the_right(asked, client, cast) -> None:
    url = reverse("compliance:erasure", args=[asked.pk])
    assert sign_in(client, cast["administrator"]).post(url, FORM)["Location"].startswith("/account/step-up/")
    assert sign_in(client, cast["physician"], fresh=True).post(url, FORM).status_code == 403
    assert not Erasure.objects.exists()
    assert sign_in(client, cast["administrator"], fresh=True).post(url, FORM)["Location"] == url
    assert Erasure.objects.get().approved_by == cast["administrator"]
    assert "How far it is" in client.get(url).content.decode()


@pytest.mark.parametrize("change", [{"sure": ""}, {"ground": "because"}, {"unbound": "no reason"}])
def test_a_form_that_is_not_filled_in_erases_nothing(asked, client, cast, change) -> None:
    url = reverse("compliance:erasure", args=[asked.pk])
    assert sign_in(client, cast["administrator"], fresh=True).post(url, {**FORM, **change}).status_code == 400
    assert not Erasure.objects.exists()


def test_the_approval_is_logged_without_naming_the_person(asked, cast, patient) -> None:
    approve(asked, cast["administrator"])
    event = Event.objects.get(code="erasure_approved")
    assert (event.patient, event.user) == (None, cast["administrator"])
    assert str(patient.pk) not in str(event.detail)


def test_a_patient_reads_what_goes_and_asks(client, cast, patient) -> None:
    url = reverse("compliance:ask_erasure")
    sign_in(client, cast["patient"])
    assert client.get(url)["Location"].startswith("/account/password/again/"), "it must surely be the patient"
    session = client.session
    session["account_authentication_methods"] = [{"method": PASSWORD, "at": timezone.now().timestamp()}]
    session["account_authentication_methods_user"] = str(cast["patient"].pk)
    session.save()
    assert "Orders, doses and intakes" in client.get(url).content.decode()
    assert client.post(url, {"words": "x"}).status_code == 400, "the box is not ticked"
    assert client.post(url, {"sure": "on"})["Location"] == reverse("compliance:own_requests")
    assert "it waits for its answer" in client.get(url).content.decode()
    assert client.post(url, {"sure": "on"}).status_code == 400
    assert PrivacyRequest.objects.get().kind == "erasure"


def test_a_hold_is_placed_and_lifted_on_the_privacy_page_and_logged(client, cast, patient) -> None:
    url = reverse("compliance:privacy_patient", args=[patient.pk])
    sign_in(client, cast["administrator"], fresh=True)
    assert client.post(url, {"act": "hold", "reason": ""}).status_code == 400
    client.post(url, {"act": "hold", "reason": "case 9"})
    assert "case 9" in client.get(url).content.decode()
    client.post(reverse("compliance:lift_hold", args=[LegalHold.objects.get().pk]), {"reason": "settled"})
    assert LegalHold.objects.get().lifted_by == cast["administrator"]
    events = Event.objects.filter(code__startswith="legal_hold")
    assert {event.code for event in events} == {"legal_hold_placed", "legal_hold_lifted"}
    assert not any("case 9" in f"{event.message}{event.detail}" for event in events)


def test_a_request_on_paper_is_entered_and_waits_for_somebody_else(client, cast, patient) -> None:
    url = reverse("compliance:privacy_patient", args=[patient.pk])
    form = {"act": "paper", "kind": "erasure", "words": "By letter"}
    sign_in(client, cast["administrator"], fresh=True).post(url, form)
    found = PrivacyRequest.objects.get()
    assert (found.how, found.asked_by, found.state) == ("paper", cast["administrator"], RequestState.OPEN)
    assert "Somebody else" in client.get(reverse("compliance:erasure", args=[found.pk])).content.decode()


def test_a_record_is_found_by_its_number_in_the_own_wards_alone(client, cast, patient, foreign_patient) -> None:
    url = reverse("compliance:privacy_find")
    sign_in(client, cast["administrator"])
    own = client.post(url, {"record_number": patient.medical_record_number})
    assert own["Location"] == reverse("compliance:privacy_patient", args=[patient.pk])
    for number in (foreign_patient.medical_record_number, "nobody's", ""):
        assert client.post(url, {"record_number": number})["Location"] == reverse("compliance:privacy")


def test_the_approver_reads_what_the_law_keeps(asked, client, cast, patient) -> None:
    from tests.system.objects import objects_of

    objects_of(patient)
    Administration.objects.update(recorded_at=timezone.now() - timedelta(days=3650))
    page = sign_in(client, cast["administrator"]).get(reverse("compliance:erasure", args=[asked.pk])).content.decode()
    assert "BGB § 630f" in page
    assert "Out of everybody&#x27;s reach" in page or "Out of everybody's reach" in page
