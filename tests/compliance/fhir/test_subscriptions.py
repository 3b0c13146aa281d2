"""Subscriptions: who may make which, what a receiver is told in which order, and what it does not take."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from compliance.fhir.hooks import delivering
from compliance.fhir.hooks.delivering import due, work_on
from compliance.models import (
    AccessRecord,
    ApiToken,
    CareRelationship,
    Consent,
    Event,
    Subscription,
)
from compliance.services.tokens import revoke_token
from tests.compliance.fhir.receiver import Receiver

CONTENT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"


@pytest.fixture(autouse=True)
def house(settings, monkeypatch):
    settings.DEMO = True
    settings.FHIR_HOOK_HOSTS = ["127.0.0.1"]
    monkeypatch.setattr("compliance.fhir.hooks.collecting.SETTLE", timedelta(0))


@pytest.fixture
def receiver():
    with Receiver() as one:
        yield one


@pytest.fixture
def physician(cast, token_of):
    return token_of(cast["physician"])


def subscription(url: str = "https://hook.example/a", content: str = "", **changed) -> dict:
    channel: dict = {"type": "rest-hook", "endpoint": url}
    if content:
        channel["payload"] = "application/fhir+json"
        channel["_payload"] = {"extension": [{"url": CONTENT, "valueCode": content}]}
    return {
        "resourceType": "Subscription", "status": "requested", "reason": "to know",
        "criteria": "DetectedIssue?status=preliminary", "channel": channel | changed.pop("channel", {}), **changed,
    }  # fmt: skip


def made(caller, *args, **changed) -> Subscription:
    answer = caller.post("Subscription", subscription(*args, **changed))
    assert answer.status == 201, answer.body
    return Subscription.objects.get(pk=answer.body["id"])


def alert(patient, rule: str = "spo2_low"):
    from twin.models import Alert

    now = timezone.now()
    return Alert.objects.create(
        patient=patient, rule=rule, priority="high", message="SpO2 low", event_time=now, last_seen_at=now
    )


def state_of(row: Subscription) -> str:
    row.refresh_from_db()
    return row.state


def notices(row: Subscription) -> list[str]:
    return list(row.notices.values_list("state", flat=True))


def hurry(row: Subscription) -> None:
    Subscription.objects.filter(pk=row.pk).update(retry_at=None)


def test_a_subscription_is_made_read_searched_changed_and_removed(physician) -> None:
    answer = physician.post("Subscription", subscription(channel={"header": ["Authorization: Bearer s3cret"]}))
    assert answer.status == 201
    one = answer.body
    assert (one["status"], one["criteria"]) == ("requested", "DetectedIssue?status=preliminary")
    assert one["channel"]["header"] == ["Authorization: ***"]
    assert physician.get(f"Subscription/{one['id']}").body == one
    assert physician.get("Subscription?status=requested").ids() == [f"Subscription/{one['id']}"]
    assert physician.get("Subscription?status=off").ids() == []
    tag = answer.headers["ETag"]
    changed = one | {"status": "off", "reason": "enough"}
    assert physician.put(f"Subscription/{one['id']}", changed, **{"If-Match": 'W/"0"'}).status == 412
    off = physician.put(f"Subscription/{one['id']}", changed, **{"If-Match": tag})
    assert (off.status, off.body["status"], off.body["reason"]) == (200, "off", "enough")
    assert physician("DELETE", f"Subscription/{one['id']}").status == 204
    assert physician.get(f"Subscription/{one['id']}").status == 404
    assert physician("DELETE", f"Subscription/{one['id']}").status == 404
    codes = list(Event.objects.filter(code__startswith="subscription").order_by("pk").values_list("code", flat=True))
    assert codes == ["subscription_made", "subscription_changed", "subscription_removed"]


def test_secrets_are_sealed_kept_when_sent_back_as_shown_and_sent_to_the_receiver(physician, patient, receiver) -> None:
    row = made(physician, receiver.url, channel={"header": ["Authorization: Bearer s3cret"]})
    assert b"s3cret" not in bytes(row.headers_sealed)
    shown = physician.get(f"Subscription/{row.pk}").body
    assert "s3cret" not in json.dumps(shown)
    assert physician.put(f"Subscription/{row.pk}", shown).status == 200
    alert(patient)
    assert work_on(row.pk) == 1
    method, path, headers, body = receiver.requests[0]
    assert (method, path, body, headers["Authorization"]) == ("POST", "/hook", b"", "Bearer s3cret")
    assert "s3cret" not in "".join(str(event.detail) for event in Event.objects.all())


@pytest.mark.parametrize("content", ["id-only", "full-resource"])
def test_the_payload_is_what_was_asked_for(physician, patient, receiver, content) -> None:
    row = made(physician, receiver.url, content)
    shown = physician.get(f"Subscription/{row.pk}").body
    assert shown["channel"]["payload"] == "application/fhir+json"
    one = alert(patient)
    assert work_on(row.pk) == 1
    method, path, headers, body = receiver.requests[0]
    assert headers["Content-Type"] == "application/fhir+json"
    assert receiver.told() == [f"DetectedIssue/{one.pk}"]
    if content == "full-resource":
        assert (method, path) == ("PUT", f"/hook/DetectedIssue/{one.pk}")
        assert json.loads(body) == physician.get(f"DetectedIssue/{one.pk}").body
    else:
        assert method == "POST"
        assert "SpO2" not in body.decode()
        assert str(patient.pk) not in body.decode()
    assert state_of(row) == "active"
    assert row.delivered_at is not None


def test_changes_are_told_once_each_in_order_and_nothing_from_before(physician, patient, receiver) -> None:
    alert(patient, "before")
    row = made(physician, receiver.url, "id-only")
    rows = [alert(patient, f"rule{n}") for n in range(5)]
    assert work_on(row.pk) == 5
    assert work_on(row.pk) == 0
    rows[0].message = "still low"
    rows[0].opened_at = timezone.now()
    rows[0].save()
    rows[1].state, rows[1].resolved_at = "resolved", timezone.now()
    rows[1].save()
    assert work_on(row.pk) == 1, "what matches no more is not told"
    assert receiver.told() == [f"DetectedIssue/{one.pk}" for one in [*rows, rows[0]]]


def test_readings_are_told(physician, patient, receiver) -> None:
    from tests.devices.fhir.test_observations import monitor_of, put

    monitor = monitor_of(patient)
    row = made(physician, receiver.url, "full-resource", criteria="Observation?code=8867-4&value-quantity=gt100")
    import time

    put(monitor, ("heart_rate", 0, 71.0), ("heart_rate", 0, 140.0), received=time.time())
    assert work_on(row.pk) == 1
    assert json.loads(receiver.requests[0][3])["valueQuantity"]["value"] == 140.0


@pytest.mark.parametrize(
    "changed",
    [
        {"criteria": "Nothing?status=x"},
        {"criteria": "DetectedIssue?nothing=x"},
        {"criteria": "DetectedIssue?status=preliminary&_sort=identified"},
        {"criteria": "DetectedIssue?_include=DetectedIssue:patient"},
        {"criteria": "DetectedIssue?status"},
        {"criteria": "Patient?family=Byron"},
        {"criteria": "Subscription"},
        {"criteria": "x" * 2000},
        {"criteria": "../x"},
        {"status": "active"},
        {"status": "off"},
        {"reason": " "},
        {"reason": "x" * 500},
        {"end": "2001-01-01T00:00:00Z"},
        {"contact": [{"system": "phone", "value": "1"}]},
        {"channel": {"type": "websocket"}},
        {"channel": {"type": "email", "endpoint": "mailto:a@example.org"}},
        {"channel": {"payload": "text/plain"}},
        {"channel": {"header": ["Host: elsewhere"]}},
        {"channel": {"header": ["no header"]}},
        {"channel": {"header": ["A: b\r\nC: d"]}},
        {"channel": {"header": ["A: b", "a: c"]}},
        {"channel": {"header": [f"A{n}: b" for n in range(9)]}},
    ],
)
def test_a_subscription_that_cannot_be_is_refused(physician, changed: dict) -> None:
    refused = physician.post("Subscription", subscription(**changed))
    assert refused.status in {400, 422}, refused.body
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://a.example/", "file:///etc/passwd", "https://", "https://u:p@a.example/", "https://a.example/?x=1",
        "https://a.example/#x", "https://a.example:99999/", "https://a.example/../x", "https://a b.example/",
        "https://exämple.org/", "https://a.example/\r\nX: y", "https://[::1", "https://a.example/" + "x" * 600,
        "javascript:alert(1)", "https://.example/", "//a.example/",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(physician, url: str) -> None:
    assert physician.post("Subscription", subscription(url)).status in {400, 422}
    assert not Subscription.objects.exists()


def test_plain_http_is_for_the_demo_alone(physician, settings) -> None:
    settings.DEMO = False
    assert physician.post("Subscription", subscription("http://hook.example/a")).status == 422


def test_rights_scopes_and_ownership_are_asked(cast, token_of, physician) -> None:
    assert token_of(cast["nurse"]).post("Subscription", subscription()).status == 403
    assert token_of(cast["physician"], "user/Subscription.cruds").post("Subscription", subscription()).status == 403
    assert token_of(cast["physician"], "user/*.rs").post("Subscription", subscription()).status == 403
    narrow = token_of(cast["physician"], "user/Subscription.cruds user/DetectedIssue.rs")
    row = made(narrow)
    assert narrow.post("Subscription", subscription(criteria="MedicationStatement")).status == 403
    admin = token_of(cast["administrator"])
    assert admin.get(f"Subscription/{row.pk}").status == 404
    assert admin.put(f"Subscription/{row.pk}", subscription(id=str(row.pk))).status == 404
    assert admin("DELETE", f"Subscription/{row.pk}").status == 404
    assert admin.get("Subscription").ids() == []


def test_subscribing_needs_a_proof_and_ending_needs_none(physician) -> None:
    row = made(physician)
    ApiToken.objects.update(proved_at=None)
    assert physician.post("Subscription", subscription()).status == 403
    shown = physician.get(f"Subscription/{row.pk}").body
    assert physician.put(f"Subscription/{row.pk}", shown).status == 403
    assert physician.put(f"Subscription/{row.pk}", shown | {"status": "off"}).body["status"] == "off"
    assert physician("DELETE", f"Subscription/{row.pk}").status == 204


def test_a_patient_of_another_ward_is_not_told_of(physician, patient, foreign_patient, receiver) -> None:
    row = made(physician, receiver.url, "id-only")
    alert(foreign_patient)
    mine = alert(patient)
    assert work_on(row.pk) == 1
    assert receiver.told() == [f"DetectedIssue/{mine.pk}"]


@pytest.mark.parametrize("ends", ["token", "expiry", "person", "role"])
def test_a_right_that_ended_ends_the_subscription(physician, cast, patient, receiver, ends: str) -> None:
    row = made(physician, receiver.url)
    alert(patient)
    token, owner = ApiToken.objects.get(), cast["physician"]
    if ends == "token":
        revoke_token(token=token, user=owner, now=timezone.now())
    elif ends == "expiry":
        past = timezone.now() - timedelta(seconds=1)
        ApiToken.objects.update(expires_at=past, created_at=past - timedelta(days=1))
    elif ends == "person":
        owner.is_active = False
        owner.save()
    else:
        owner.role = "nurse"
        owner.save()
    assert work_on(row.pk) == 0
    assert state_of(row) == "off"
    assert row.error
    assert receiver.requests == []
    assert row.pk not in due(timezone.now())


def test_rights_are_asked_again_when_a_notice_goes_out(physician, cast, patient, receiver) -> None:
    row = made(physician, receiver.url, "id-only")
    receiver.answers = [503]
    alert(patient)
    assert work_on(row.pk) == 0
    assert notices(row) == ["waiting"]
    CareRelationship.objects.filter(user=cast["physician"]).update(ends_at=timezone.now())
    hurry(row)
    work_on(row.pk)
    assert len(receiver.requests) == 1, "nothing more goes out"
    assert "sent" not in notices(row)


def test_who_refuses_sharing_is_not_told_of_outside(physician, patient, receiver, settings, monkeypatch) -> None:
    settings.FHIR_HOOK_HOSTS = []
    monkeypatch.setattr("compliance.fhir.hooks.address.may_be_dialled", lambda *_, **__: True)
    row = made(physician, receiver.url)
    alert(patient)
    assert work_on(row.pk) == 0, "unless the patient agreed, nothing leaves the house"
    Consent.objects.create(
        patient=patient, purpose="share_external", given=True, how="form", text_version="1", at=timezone.now()
    )
    assert work_on(row.pk) == 1
    record = AccessRecord.objects.get(what="subscription")
    assert (record.patient_id, record.purpose) == (patient.pk, "share_external")


def test_a_receiver_that_is_down_gets_everything_later_in_order(physician, patient, receiver, monkeypatch) -> None:
    monkeypatch.setattr(delivering, "BACKOFF_FIRST_S", 60.0)  # longer than this test may stand still
    row = made(physician, receiver.url, "id-only")
    rows = [alert(patient, f"rule{n}") for n in range(3)]
    receiver.answers = [503, 500]
    assert work_on(row.pk) == 0
    assert (state_of(row), row.failures, row.error) == ("error", 1, "The receiver answered 503.")
    first = row.retry_at
    assert work_on(row.pk) == 0, "it waits before it tries again"
    assert len(receiver.requests) == 1
    hurry(row)
    assert work_on(row.pk) == 0
    row.refresh_from_db()
    assert row.failures == 2
    assert row.retry_at > first
    hurry(row)
    assert work_on(row.pk) == 3
    assert (state_of(row), row.failures, row.error) == ("active", 0, "")
    assert receiver.told() == [f"DetectedIssue/{one.pk}" for one in [rows[0], rows[0], *rows]]


def test_what_is_refused_is_parked_and_holds_nobody_up(physician, patient, receiver) -> None:
    receiver.headers = {"Location": "http://127.0.0.1:1/elsewhere"}
    row = made(physician, receiver.url, "id-only")
    for n in range(3):
        alert(patient, f"rule{n}")
    receiver.answers = [302, 400]
    work_on(row.pk)
    assert notices(row) == ["parked", "parked", "sent"]
    assert list(row.notices.values_list("answer", flat=True)) == [302, 400, 200]
    assert len(receiver.requests) == 3, "no redirect is followed"
    assert state_of(row) == "active"


def test_one_notice_at_which_the_receiver_always_fails_is_given_up(physician, patient, receiver, monkeypatch) -> None:
    monkeypatch.setattr(delivering, "MOST_TRIES", 2)
    row = made(physician, receiver.url, "id-only")
    alert(patient, "poison")
    alert(patient, "fine")
    receiver.answers = [500, 500]
    work_on(row.pk)
    hurry(row)
    work_on(row.pk)
    assert notices(row) == ["parked", "sent"]


def test_gone_means_off_and_so_does_a_day_without_an_answer(physician, patient, receiver) -> None:
    row = made(physician, receiver.url)
    alert(patient, "one")
    receiver.answers = [410]
    work_on(row.pk)
    assert (state_of(row), notices(row)) == ("off", ["parked"])
    assert physician.put(f"Subscription/{row.pk}", subscription(receiver.url, id=str(row.pk))).body["status"] == (
        "requested"
    )
    alert(patient, "two")
    Subscription.objects.update(failing_since=timezone.now() - timedelta(days=2))
    receiver.answers = [503]
    work_on(row.pk)
    assert state_of(row) == "off"
    assert "day" in row.error


def test_it_ends_at_its_end(physician, patient, receiver) -> None:
    row = made(physician, receiver.url, end=(timezone.now() + timedelta(hours=1)).isoformat())
    Subscription.objects.update(ends_at=timezone.now())
    alert(patient)
    work_on(row.pk)
    assert state_of(row) == "off"
    assert receiver.requests == []


def test_criteria_that_match_too_much_end_it(physician, patient, receiver, monkeypatch) -> None:
    monkeypatch.setattr("compliance.fhir.hooks.collecting.MOST_AT_ONCE", 2)
    row = made(physician, receiver.url)
    for n in range(3):
        alert(patient, f"rule{n}")
    work_on(row.pk)
    assert state_of(row) == "off"
    assert "narrow" in row.error


def test_one_worker_holds_a_subscription_and_a_dead_one_is_replaced(physician, patient, receiver) -> None:
    row = made(physician, receiver.url)
    alert(patient)
    now = timezone.now()
    Subscription.objects.update(lease=uuid4(), lease_until=now + timedelta(seconds=60))
    assert due(now) == []
    assert work_on(row.pk) == 0
    Subscription.objects.update(lease_until=now - timedelta(seconds=1))
    assert due(now) == [row.pk]
    assert work_on(row.pk) == 1
    assert work_on(UUID(int=0)) == 0
