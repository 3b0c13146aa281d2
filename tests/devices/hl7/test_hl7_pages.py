"""The receivers' pages: who may see them, what a form refuses, and what it takes to change one."""

from __future__ import annotations

import pytest
from django.urls import reverse

from compliance.models import CareRelationship, Event
from devices.models import HL7Destination, HL7Message
from devices.selectors.hl7 import destinations_for
from devices.services.hl7_destinations import save_destination
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db


def filled(ward, pem: str, **changes: object) -> dict[str, object]:  # type: ignore[no-untyped-def]
    return {
        "name": "Record", "host": "record.example", "port": 2575, "authority": pem, "wards": [ward.pk],
        "metrics": ["glucose"], "period_s": 60, "result_status": "F",
    } | changes  # fmt: skip


def test_administrator_adds_a_receiver(fresh_client, cast, ward, authority) -> None:
    client = fresh_client(cast["administrator"])
    answer = client.post(reverse("devices:hl7_new"), filled(ward, authority.pem))
    made = HL7Destination.objects.get()
    assert answer["Location"] == reverse("devices:hl7_destination", args=[made.pk])
    assert (list(made.wards.all()), made.metrics, made.created_by) == ([ward], ["glucose"], cast["administrator"])
    assert Event.objects.filter(code="hl7_destination_added", ward_id=ward.pk).exists()
    assert "record.example" in client.get(reverse("devices:hl7")).content.decode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"authority": "hello"}, "no certificate"),
        ({"host": "https://x/"}, "no host name"),
        ({"metrics": ["ecg"]}, "not one of the available choices"),
        ({"period_s": 0}, "greater than or equal to 1"),
        ({"port": 70000}, "less than or equal to 65535"),
        ({"client_certificate": "../../etc/x"}, "not one of the available choices"),
    ],
)
def test_wrong_receiver_is_refused_with_what_to_mend(change, said, fresh_client, cast, ward, authority) -> None:
    answer = fresh_client(cast["administrator"]).post(reverse("devices:hl7_new"), filled(ward, authority.pem, **change))
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert not HL7Destination.objects.exists()


def test_nobody_sends_a_ward_that_is_not_theirs(fresh_client, cast, other_ward, authority) -> None:
    answer = fresh_client(cast["administrator"]).post(reverse("devices:hl7_new"), filled(other_ward, authority.pem))
    assert answer.status_code == 400
    assert not HL7Destination.objects.exists()


def test_change_needs_a_fresh_second_factor(client, cast, ward, authority) -> None:
    sign_in(client, cast["administrator"])
    answer = client.post(reverse("devices:hl7_new"), filled(ward, authority.pem))
    assert "step-up" in answer["Location"]
    assert not HL7Destination.objects.exists()


def test_receiver_of_a_foreign_ward_too_is_hidden_whole(cast, ward, other_ward, destination) -> None:
    administrator = cast["administrator"]
    assert list(destinations_for(administrator)) == [destination]
    destination.wards.add(other_ward)
    assert list(destinations_for(administrator)) == []
    CareRelationship.objects.create(user=administrator, ward=other_ward, starts_at=administrator.date_joined)
    assert list(destinations_for(administrator)) == [destination]
    assert list(destinations_for(cast["nurse"])) == []


def test_refused_message_is_sent_again_from_the_page(fresh_client, cast, destination, patient) -> None:
    message = HL7Message.objects.create(
        destination=destination, patient=patient, control_id="m1", state="parked", content_sealed=b"", observations=1,
        answer="AE", reason="<b>unknown</b>",
    )  # fmt: skip
    client = fresh_client(cast["administrator"])
    page = client.get(reverse("devices:hl7_destination", args=[destination.pk])).content.decode()
    assert "&lt;b&gt;unknown" in page
    client.post(reverse("devices:hl7_resend", args=[message.pk]))
    message.refresh_from_db()
    assert message.state == "waiting"
    assert Event.objects.filter(code="hl7_message_requeued", user=cast["administrator"]).exists()


def test_receiver_is_paused_resumed_and_removed(fresh_client, cast, destination) -> None:
    client = fresh_client(cast["administrator"])
    for act, enabled in (("pause", False), ("resume", True)):
        client.post(reverse("devices:hl7_change", args=[destination.pk, act]))
        destination.refresh_from_db()
        assert destination.enabled is enabled
    assert client.post(reverse("devices:hl7_change", args=[destination.pk, "explode"])).status_code == 404
    client.post(reverse("devices:hl7_change", args=[destination.pk, "remove"]))
    assert not HL7Destination.objects.exists()
    codes = set(Event.objects.values_list("code", flat=True))
    assert {"hl7_destination_paused", "hl7_destination_resumed", "hl7_destination_removed"} <= codes


def test_changed_receiver_is_tried_at_once(cast, destination, ward) -> None:
    HL7Destination.objects.update(failures=9, problem="away", retry_at="2200-01-01T00:00Z")
    destination.refresh_from_db()
    save_destination(destination=destination, wards=[ward], by=cast["administrator"])
    destination.refresh_from_db()
    assert (destination.failures, destination.problem, destination.retry_at) == (0, "", None)
