"""Over real TLS on loopback: in order, once accepted never again, refused ones parked, and nothing lost on the way."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest

from compliance.models import AccessRecord, Event
from compliance.privacy.purposes import TEXT_VERSION, How, Purpose
from compliance.services.consents import decide_consent
from devices.hl7 import Acknowledgement, Verdict
from devices.hl7.errors import CertificateWrong, MessageNotParked
from devices.models import HL7Destination, HL7Message
from devices.services import hl7_delivery
from devices.services.hl7_delivery import resend, work_on
from devices.services.hl7_outbox import collect
from tests.devices.hl7.conftest import Authority, make_destination, make_device, measure

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
T = NOW.timestamp()


@pytest.fixture
def waiting(destination, monitor, patient):  # type: ignore[no-untyped-def]
    """Three messages of one patient wait."""
    collect(destination=destination, now=NOW)
    for n in range(3):
        measure(monitor, "heart_rate", {T + 60 * n + 1: 60 + n}, received=T + 60 * n + 1, seq=10 * n + 1)
        collect(destination=destination, now=NOW + timedelta(seconds=60 * (n + 1)))
    HL7Destination.objects.update(collected_at=datetime.now(UTC))
    return list(HL7Message.objects.values_list("control_id", flat=True))


def states() -> list[str]:
    return list(HL7Message.objects.order_by("pk").values_list("state", flat=True))


def retry_now() -> None:
    HL7Destination.objects.update(retry_at=None)


def test_messages_arrive_in_order_and_are_accepted(destination, hospital, waiting) -> None:
    assert work_on(destination.pk) == 3
    assert [report.control_id for report in hospital.taken] == waiting
    assert [report.observations[0].value for report in hospital.taken] == ["60", "61", "62"]
    assert states() == ["accepted"] * 3
    assert all(bytes(one.content_sealed) == b"" for one in HL7Message.objects.all())
    assert work_on(destination.pk) == 0


@pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.REJECTED])
def test_refused_message_is_parked_with_its_reason_and_the_others_go_on(
    verdict, destination, hospital, waiting, cast
) -> None:
    hospital.verdict = lambda report: (
        Acknowledgement(verdict, report.control_id, "patient Byron unknown")
        if report.control_id == waiting[1]
        else Acknowledgement(Verdict.ACCEPTED, report.control_id)
    )
    work_on(destination.pk)
    parked = HL7Message.objects.get(state="parked")
    assert (parked.control_id, parked.answer, parked.reason) == (waiting[1], verdict.value, "patient Byron unknown")
    assert states() == ["accepted", "parked", "accepted"]
    event = Event.objects.get(code="hl7_message_refused")
    assert "Byron" not in str(event.detail) + event.message
    hospital.verdict = lambda report: Acknowledgement(Verdict.ACCEPTED, report.control_id)
    resend(message=parked, by=cast["administrator"])
    work_on(destination.pk)
    assert [report.control_id for report in hospital.taken] == [*waiting, waiting[1]]
    with pytest.raises(MessageNotParked):
        resend(message=parked, by=cast["administrator"])


def test_answer_to_another_message_accepts_nothing(destination, hospital, waiting, monkeypatch) -> None:
    monkeypatch.setattr("devices.hl7.link.ANSWER_WITHIN_S", 0.3)
    hospital.verdict = lambda _report: Acknowledgement(Verdict.ACCEPTED, "something else")
    assert work_on(destination.pk) == 0
    assert states() == ["waiting"] * 3


def test_receiver_that_is_away_loses_nothing(destination, hospital, waiting, monkeypatch) -> None:
    monkeypatch.setattr(hl7_delivery, "BACKOFF_FIRST_S", 60.0)  # longer than this test may stand still
    HL7Destination.objects.update(port=_closed_port())
    assert work_on(destination.pk) == 0
    failed = HL7Destination.objects.get()
    assert (failed.failures, failed.retry_at is not None) == (1, True)
    assert Event.objects.filter(code="hl7_peer_unreachable").count() == 1
    HL7Destination.objects.update(port=hospital.port)
    assert work_on(destination.pk) == 0, "it is not time to try again yet"
    retry_now()
    assert work_on(destination.pk) == 3
    assert HL7Destination.objects.get().problem == ""


def test_each_failure_waits_longer(destination, waiting) -> None:
    HL7Destination.objects.update(port=_closed_port())
    least, most = [], []
    for _ in range(12):
        retry_now()
        before = datetime.now(UTC)
        work_on(destination.pk)
        after, retry_at = datetime.now(UTC), HL7Destination.objects.get().retry_at
        most.append((retry_at - before).total_seconds())
        least.append((retry_at - after).total_seconds())
    assert least[0] < 1.5
    assert most[4] > 8
    assert most[-1] > 200
    assert least[-1] < 302
    assert Event.objects.filter(code="hl7_peer_unreachable").count() == 1


def test_message_whose_answer_was_lost_comes_again_under_the_same_control_id(destination, hospital, waiting) -> None:
    def die(report):  # type: ignore[no-untyped-def]
        if len(hospital.taken) == 2:
            raise OSError("the receiver was killed after it had stored the message")
        return Acknowledgement(Verdict.ACCEPTED, report.control_id)

    hospital.verdict = die
    assert work_on(destination.pk) == 1
    retry_now()
    assert work_on(destination.pk) == 2
    assert [report.control_id for report in hospital.taken] == [waiting[0], waiting[1], waiting[1], waiting[2]]


def test_receiver_with_a_foreign_certificate_is_told_nothing(destination, hospital, waiting, tmp_path) -> None:
    HL7Destination.objects.update(authority=Authority(tmp_path, "somebody else").pem)
    assert work_on(destination.pk) == 0
    assert hospital.taken == []
    assert "certificate" in HL7Destination.objects.get().problem


def test_receiver_that_wants_to_know_us_gets_our_certificate(
    hospitals, authority, patient, monitor, settings, tmp_path
) -> None:
    hospital = hospitals(authority.server(ask_for_client=True))
    authority.issue("ours")
    settings.HL7_CERTIFICATES_DIR = tmp_path
    destination = make_destination(patient.ward, hospital.port, authority.pem, client_certificate="ours")
    collect(destination=destination, now=NOW)
    measure(monitor, "heart_rate", {T + 1: 60}, received=T + 1)
    HL7Destination.objects.update(client_certificate="", collected_at=NOW)
    assert work_on(destination.pk) == 0
    HL7Destination.objects.update(client_certificate="ours", retry_at=None)
    assert work_on(destination.pk) == 1


def test_peer_without_tls_is_told_nothing(destination, waiting) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        heard = []

        def serve() -> None:
            line, _ = plain.accept()
            with line:
                heard.append(line.recv(4096))
                line.sendall(b"\x0bMSH|^~\\&\x1c\r")

        thread = threading.Thread(target=serve)
        thread.start()
        HL7Destination.objects.update(port=plain.getsockname()[1])
        assert work_on(destination.pk) == 0
        thread.join(5)
    assert b"Byron" not in heard[0]
    assert states() == ["waiting"] * 3


def test_second_sender_leaves_a_held_destination_alone(destination, hospital, waiting) -> None:
    inner = []

    def verdict(report):  # type: ignore[no-untyped-def]
        inner.append(HL7Destination.objects.exclude(lease=None).count())
        return Acknowledgement(Verdict.ACCEPTED, report.control_id)

    HL7Destination.objects.update(lease="0" * 32, lease_until=datetime.now(UTC) + timedelta(minutes=1))
    assert work_on(destination.pk) == 0
    HL7Destination.objects.update(lease_until=datetime.now(UTC) - timedelta(seconds=1))  # that sender was killed
    assert work_on(destination.pk) == 3
    assert HL7Destination.objects.get().lease is None


def test_paused_destination_stops_between_two_messages_and_catches_up(destination, hospital, waiting) -> None:
    stops = iter([False, True])
    assert work_on(destination.pk, stop=lambda: next(stops)) == 1
    HL7Destination.objects.update(enabled=False)
    assert work_on(destination.pk) == 0
    HL7Destination.objects.update(enabled=True)
    assert work_on(destination.pk) == 2
    assert [report.control_id for report in hospital.taken] == waiting


def test_what_a_receiver_has_taken_is_not_kept_for_ever(destination, waiting) -> None:
    work_on(destination.pk)
    HL7Message.objects.update(answered_at=datetime.now(UTC) - timedelta(days=8))
    HL7Destination.objects.update(collected_at=None)
    work_on(destination.pk)
    assert HL7Message.objects.count() == 0


def test_ward_with_two_patients_keeps_them_apart(destination, hospital, waiting, patient) -> None:
    other = type(patient).objects.create(
        medical_record_number="T-2", given_name="A|B", family_name="\\F\\\r", birth_date="1970-01-01", ward=patient.ward
    )
    second = make_device(other, "vital_signs_monitor", "monitor-2")
    collect(destination=destination, now=NOW)
    measure(second, "spo2", {T + 1: 97}, received=T + 1)
    collect(destination=destination, now=NOW + timedelta(minutes=5))
    work_on(destination.pk)
    assert hospital.taken[-1].person.family_name == "\\F\\\r"
    assert {report.person.medical_record_number for report in hospital.taken[:3]} == {"T-001"}


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_certificate_files_that_are_gone_stop_nothing_else(destination, waiting, settings, tmp_path) -> None:
    settings.HL7_CERTIFICATES_DIR = tmp_path / "nowhere"
    HL7Destination.objects.update(client_certificate="ours")
    assert work_on(destination.pk) == 0
    assert HL7Destination.objects.get().problem == CertificateWrong().message


def agree(patient, user, given: bool) -> None:
    decide_consent(
        patient=patient, purpose=Purpose.SHARE_EXTERNAL, given=given, user=user, how=How.PAPER,
        text_version=TEXT_VERSION, now=datetime.now(UTC),
    )  # fmt: skip


def test_another_house_is_told_only_of_who_agreed(destination, hospital, waiting, patient) -> None:
    HL7Destination.objects.update(shares_outside=True)
    work_on(destination.pk)
    assert hospital.taken == []
    assert HL7Message.objects.count() == 0
    assert Event.objects.filter(code="hl7_message_withheld", patient=patient).count() == 3


def test_consent_opens_and_closes_what_another_house_is_told(patient, hospital, authority, monitor, cast) -> None:
    outside = make_destination(patient.ward, hospital.port, authority.pem, shares_outside=True)
    collect(destination=outside, now=NOW)
    measure(monitor, "heart_rate", {T + 1: 60}, received=T + 1)
    assert collect(destination=outside, now=NOW + timedelta(minutes=1)) == 0
    agree(patient, cast["administrator"], True)
    collect(destination=outside, now=NOW + timedelta(minutes=2))
    measure(monitor, "heart_rate", {T + 90: 61, T + 130: 62}, received=T + 131, seq=5)
    assert collect(destination=outside, now=NOW + timedelta(minutes=3)) == 1
    agree(patient, cast["administrator"], False)
    HL7Destination.objects.update(collected_at=datetime.now(UTC))
    assert work_on(outside.pk) == 0
    assert hospital.taken == []


def test_each_patient_told_of_is_accounted_for_once_a_day(destination, waiting, patient, cast) -> None:
    HL7Destination.objects.update(created_by=cast["administrator"])
    work_on(destination.pk)
    [noted] = AccessRecord.objects.all()
    assert (noted.patient, noted.user, noted.what) == (patient, cast["administrator"], f"hl7_{destination.pk}")
