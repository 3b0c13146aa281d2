"""Nothing is left of a person who was erased: one of everything is filled in, and every table and file is searched."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, models
from django.utils import timezone

from compliance.log.merkle import leaf_hash, verify_inclusion
from compliance.models import (
    AccessRecord,
    ApiToken,
    BulkExport,
    CareRelationship,
    ComplianceReport,
    Consent,
    DoseCheck,
    Event,
    FhirClient,
    LogCheckpoint,
    LogEntry,
    MedicationOrder,
    Notice,
    Patient,
    PrivacyRequest,
    RuleVersion,
    ScheduledDose,
    Subscription,
    User,
)
from compliance.privacy.erasers import parts
from compliance.privacy.purposes import How
from compliance.privacy.requests import RequestKind, RequestState
from compliance.selectors import patients_for
from compliance.selectors.log import proof_for
from compliance.services.accesses import record_list_access
from compliance.services.erasure import approve_erasure, run_erasure
from compliance.services.events import record_event
from compliance.services.holds import lift_hold, place_hold
from compliance.services.log import sequence
from compliance.services.log_erasure import erased_places
from compliance.services.log_turns import Turns
from compliance.services.privacy_requests import ask
from devices.models import Device, EdgeFact, EnergyUsage, ExternalObservation, Gateway, HL7Cursor, HL7Destination
from devices.services.registry import assign_device
from devices.services.telemetry import store
from devices.telemetry import READING, FrameGroup, ReadingBatch, Waveform
from devices.telemetry.frames import ENTRY
from tests.conftest import sign_in
from tests.system.objects import objects_of
from twin.models import Alert, AlertLimit, AlertStep

BORN, VALUE, DOSE = date(1937, 11, 23), 123.4567, 37.8125
FRAME = b"<sealed frame of one person>"
OTHER = b"<sealed frame of another one>"
WORDS = (
    "Xanthippe", "Quillfeather", "QX-77123", "kingfisher syndrome", "xq-sign-in", "xq@example.org", "72.3125",
    "Please forget everything", "case 5150", "203.0.113.77",
)  # fmt: skip
# The number of the blank row is all that is left, where it says that a request was answered.
MAY_NAME_THE_ROW = {
    ("compliance_patient", "id"),
    ("compliance_patient", "record_number_index"),
    ("compliance_privacyrequest", "patient_id"),
    ("compliance_erasure", "patient_id"),
    ("compliance_legalhold", "patient_id"),
}
BOUNDARIES = {"compliance.User", "devices.Device"}  # things and people of their own: what hangs on them is not hers


@pytest.fixture
def person(ward, client, cast, patient) -> Patient:
    """Somebody of whom the house holds one of everything, seen in a list beside another patient."""
    other = patient
    patient = Patient.objects.create(
        medical_record_number=WORDS[2], given_name=WORDS[0], family_name=WORDS[1], birth_date=BORN, sex="female",
        weight_kg=72.3125, ward=ward, bed="4-1", conditions=WORDS[3],
    )  # fmt: skip
    account = User.objects.create(username=WORDS[4], email=WORDS[5], role="patient", own_patient=patient)
    sign_in(client, account)
    AccessAttempt.objects.create(username=WORDS[4], ip_address=WORDS[9], failures_since_start=1)
    record_event(category="security", code="signed_in", message="x", user=account, detail={"address": WORDS[9]})
    place = objects_of(patient)
    device = Device.objects.get(pk=place["device_id"])
    for model, name in ((ApiToken, "digest"), (User, "username"), (FhirClient, "name"), (Gateway, "name"),
                        (HL7Destination, "name"), (Notice, "subject")):  # fmt: skip
        for row in model.objects.filter(**{f"{name}__contains": str(patient.pk)}):  # things of the house have own names
            model.objects.filter(pk=row.pk).update(**{name: f"thing {row.pk}"})
    _fill(patient, account, device, place)
    _measure(device)
    record_event(category="clinical", code="dose_given", message="Given.", patient=patient, detail={"dose": DOSE})
    record_list_access(user=cast["nurse"], patients=[patient.pk, other.pk], what="ward")
    lift_hold(hold=place_hold(patient=patient, by=account, reason=WORDS[8], now=timezone.now()), by=account,
              reason=WORDS[8], now=timezone.now())  # fmt: skip
    return patient


def _fill(patient: Patient, account: User, device: Device, place: dict[str, object]) -> None:
    now = timezone.now()
    staff = User.objects.create(username="somebody else")
    order, dose = MedicationOrder.objects.get(patient=patient), ScheduledDose.objects.get(patient=patient)
    MedicationOrder.objects.filter(pk=order.pk).update(dose=DOSE)
    DoseCheck.objects.create(patient=patient, order=order, dose=dose, amount=DOSE, checked_at=now)
    Consent.objects.create(patient=patient, purpose="research", given=True, how="self", text_version="1", at=now)
    AccessRecord.objects.create(
        patient=patient, user=staff, role="nurse", what="patient_page", purpose="treatment", at=now
    )
    ApiToken.objects.create(
        user=staff, digest="x", scopes="", patient=patient, created_at=now, expires_at=now + timedelta(days=1)
    )
    CareRelationship.objects.create(user=staff, patient=patient, starts_at=now)
    ExternalObservation.objects.create(patient=patient, metric="glucose", value=VALUE, at=now, received_at=now)
    EdgeFact.objects.create(
        device=device, patient=patient, seq=1, at=now, received_at=now, kind="acted", rule="severe_low", alarm=1,
        seen=f"glucose {VALUE}", done="stopped", cut_off=True, values={"glucose": VALUE}, frame=b"f", session=b"s",
    )  # fmt: skip
    EnergyUsage.objects.create(
        device=device, hop="device", link="ble", starts_at=now, patient=patient, ward=patient.ward, messages=1,
        readings=1, payload_bytes=1, overhead_bytes=1, radio_j=1, cpu_j=1, security_j=1,
    )  # fmt: skip
    HL7Cursor.objects.create(
        destination=HL7Destination.objects.get(pk=place["destination_id"]), device=device, patient=patient, seq=1,
        starts_at=now,
    )  # fmt: skip
    BulkExport.objects.filter(pk=place["export_id"]).update(patient=patient)
    Subscription.objects.filter(pk=place["subscription_id"]).update(
        patient=patient, criteria=f"Observation?patient={patient.pk}"
    )
    AlertLimit.objects.create(patient=patient, metric="glucose", side="low", priority="high", bound=VALUE)
    AlertStep.objects.create(alert=Alert.objects.get(patient=patient), user=staff, kind="shown")
    ComplianceReport.objects.filter(pk=place["report_id"]).update(document=f'{{"patient": "{patient.pk}"}}', pdf=b"x")
    rule = RuleVersion.objects.get(rule_id="double-check")
    rule.engine = {
        "now_s": 1.0, "count": 3, "judges": [{f"{patient.pk}|1": [[1, 2]]}, [[4, 5.0, str(patient.pk)], [6, 7.0, "b"]]],
        "references": {"1": [7, 8.0, None, {"patient": str(patient.pk)}], "2": [9, 8.0, None, {"patient": "b"}]},
    }  # fmt: skip
    rule.save()


def _measure(device: Device) -> None:
    """Store readings and a curve with their frames, beside a frame of another device in the same group."""
    at = timezone.now().timestamp()
    entries = np.zeros(2, ENTRY)
    entries["device"], entries["first"], entries["count"] = [device.pk, device.pk + 1], [100, 100], [1, 1]
    entries["length"] = [len(FRAME), len(OTHER)]
    group = FrameGroup(entries, bytes(64), bytes(32), FRAME + OTHER)
    rows = np.array([(device.pk, 1, 100, at, VALUE), (device.pk + 1, 1, 100, at, 5.0)], READING)
    block = Waveform(device.pk, 2, 101, at, 0.004, 1.0, np.arange(50, dtype=np.int16))
    store().write(ReadingBatch(rows, (block,), at, frames=group))


@pytest.fixture
def erased(person, cast) -> Patient:
    """The same person, erased because nobody was treated, with the log kept before and after."""
    ask_and_approve(person, cast["administrator"])
    erase(person)
    return Patient.objects.get(pk=person.pk)


def ask_and_approve(person: Patient, by: User, unbound: str = "no_treatment") -> PrivacyRequest:
    for device in Device.objects.filter(patient=person):
        assign_device(device=device, patient=None)
    request = ask(
        patient=person, kind=RequestKind.ERASURE, user=User.objects.get(username=WORDS[4]), how=How.SELF,
        words=WORDS[7], now=timezone.now(),
    )  # fmt: skip
    approve_erasure(request=request, by=by, ground="unlawful", unbound=unbound, answer=WORDS[7], now=timezone.now())
    return request


def erase(person: Patient) -> None:
    Turns().turn()
    for _ in range(3):  # the first pass writes entries that the second can name
        run_erasure(person.erasures.get().pk)
        Turns().turn()


def _references(model: type[models.Model]) -> Iterator[models.Field]:
    for field in model._meta.get_fields():
        related = isinstance(field, models.ForeignKey) and field.related_model is Patient
        if related or (getattr(field, "column", None) == "patient_id" and not field.is_relation):
            yield field


def test_one_of_everything_is_filled_in(person) -> None:
    """Otherwise the search below would find nothing because nothing was there."""
    empty = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in _references(model)
        if not model._default_manager.filter(**{field.attname: person.pk}).exists()
        if model._meta.label not in {"compliance.Erasure"}
    ]
    assert not empty


def test_every_model_that_leads_to_a_patient_has_an_eraser() -> None:
    """A new model about patients fails here until a part of `compliance.privacy.erasers` answers for it."""
    declared = frozenset[str]().union(*(part.covers for part in parts()))
    about = {model for model in apps.get_models() if any(_references(model))}
    while more := {
        model
        for model in set(apps.get_models()) - about
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey)
        and field.related_model in about
        and field.related_model._meta.label not in BOUNDARIES
    }:
        about |= more
    assert {model._meta.label for model in about} - declared == set()
    assert declared <= {model._meta.label for model in apps.get_models()}, "a part names a model that is gone"


def _cells() -> Iterator[tuple[str, str, object]]:
    """Yield every cell of every table of the database; on PostgreSQL the telemetry lies there too."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                yield from ((table, name, cell) for name, cell in zip(names, row, strict=True))


def _telemetry() -> Iterator[tuple[str, str, object]]:
    if settings.TELEMETRY_URL.startswith("sqlite"):
        import sqlite3

        db = sqlite3.connect(settings.TELEMETRY_URL.removeprefix("sqlite:///"))
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
    else:
        import psycopg

        db = psycopg.connect(settings.TELEMETRY_URL)
        tables = ["reading", "span", "latest", "waveform", "replay", "frame_group", "frame_seal"]
    with db:
        for table in tables:
            found = db.execute(f"select * from {table}")
            names = [column[0] for column in found.description]
            yield from ((table, name, cell) for row in found for name, cell in zip(names, row, strict=True))
    db.close()


def _as_bytes(cell: object) -> bytes:
    if isinstance(cell, bytes | bytearray | memoryview):
        return bytes(cell)
    if isinstance(cell, float):
        return repr(cell).encode() + struct.pack("<d", cell)
    return str(cell).encode()


def _found(cells: Iterator[tuple[str, str, object]], person_id: uuid.UUID) -> set[tuple[str, str, str]]:
    """Return where anything of the person stands, as table, column and what."""
    needles = [*(word.encode() for word in WORDS), b"1937-11-23", repr(VALUE).encode(), repr(DOSE).encode(), FRAME]
    names = [str(person_id).encode(), person_id.hex.encode(), person_id.bytes]
    found = set()
    for table, column, cell in cells:
        raw = _as_bytes(cell)
        found |= {(table, column, needle.decode()) for needle in needles if needle in raw}
        if (table, column) not in MAY_NAME_THE_ROW and any(name in raw for name in names):
            found.add((table, column, "the number"))
    return found


def test_nothing_of_a_person_is_left_in_any_table(erased) -> None:
    assert _found(_cells(), erased.pk) == set()
    assert _found(_telemetry(), erased.pk) == set()
    assert (erased.name, erased.subject_key) == ("Erased person", None), "what is sealed has lost its key"


def test_the_search_finds_what_is_there(person) -> None:
    """The search above could be blind."""
    tables = {table for table, _, _ in _found(_cells(), person.pk) | _found(_telemetry(), person.pk)}
    assert tables >= {
        "axes_accessattempt",
        "compliance_compliancereport",
        "compliance_event",
        "compliance_logentry",
        "compliance_medicationorder",
        "compliance_patient",
        "compliance_ruleversion",
        "compliance_user",
        "devices_externalobservation",
        "frame_group",
        "imaging_study",
        "reading",
        "twin_alert",
    }


def test_no_file_of_a_person_is_left(person, cast) -> None:
    study = str(person.studies.get().pk)
    assert any(study in str(path) for path in _files())
    ask_and_approve(person, cast["administrator"])
    erase(person)
    assert not any(study in str(path) for path in _files())
    needles = [*(word.encode() for word in WORDS), str(person.pk).encode(), person.pk.bytes]
    others = [path for path in _files() if ".sqlite3" not in path.name]  # databases are searched table by table
    assert not [path for path in others if any(needle in path.read_bytes() for needle in needles)]


def _files() -> list[Path]:
    places = {settings.HOME, settings.IMAGING_DIR, settings.EXPORTS_DIR}
    return [path for place in places for path in Path(place).rglob("*") if path.is_file()]


def test_every_proof_still_holds_and_the_watch_finds_nothing(erased) -> None:
    sequence()
    for entry in LogEntry.objects.filter(leaf_index__isnull=False):
        proof = proof_for(entry)
        assert proof is not None
        head, leaf = proof.checkpoint, leaf_hash(bytes(entry.commitment))
        verify_inclusion(leaf=leaf, index=entry.leaf_index, size=head.size, proof=proof.path, root=bytes(head.root))
    assert not Notice.objects.filter(code="log_tampered").exists()
    assert LogCheckpoint.objects.exists()


def test_what_is_left_says_that_it_was_done_and_by_whom(erased, cast) -> None:
    erasure, request = erased.erasures.get(), erased.erasures.get().request
    assert erasure.finished_at
    assert not erasure.problem
    assert (request.state, request.decided_by, request.words) == (RequestState.DONE, cast["administrator"], "")
    done = Event.objects.get(code="record_erased")
    assert (done.patient, done.detail["erasure"]) == (None, str(erasure.pk))
    assert done.detail["removed"]["images"] == 1
    assert not Session.objects.exists() or not User.objects.filter(username=WORDS[4]).exists()


def test_a_list_goes_whole_and_the_others_on_it_keep_their_account(person, patient, cast) -> None:
    listed = Event.objects.get(code="records_listed")
    entry = LogEntry.objects.get(event_id=listed.pk)
    assert sorted(listed.detail["patients"]) == sorted([str(person.pk), str(patient.pk)])
    assert listed.patient is None, "a list of a ward belongs to nobody: only its words name them"
    ask_and_approve(person, cast["administrator"])
    erase(person)
    entry.refresh_from_db()
    assert not Event.objects.filter(pk=listed.pk).exists()
    assert (entry.salt, entry.record) == (None, None)
    assert entry.leaf_index in erased_places()
    seen = AccessRecord.objects.get(patient=patient, what="ward")
    assert (seen.user, seen.at) == (cast["nurse"], listed.at)
    assert not AccessRecord.objects.filter(patient=person).exists()
    Turns().turn()  # a watch that begins anew
    assert not Notice.objects.filter(code="log_tampered").exists()


def test_the_other_persons_frame_in_the_same_group_stays(erased) -> None:
    groups = [cell for table, column, cell in _telemetry() if (table, column) == ("frame_group", "frames") and cell]
    assert [bytes(cell) for cell in groups] == [OTHER]


def test_rules_remember_everybody_else(erased) -> None:
    engine = RuleVersion.objects.get(rule_id="double-check").engine
    assert engine["judges"] == [{}, [[6, 7.0, "b"]]]
    assert set(engine["references"]) == {"2"}
    assert engine["count"] == 3


def test_erasing_again_and_again_does_nothing(erased) -> None:
    before = list(Event.objects.values_list("pk", flat=True))
    run_erasure(erased.erasures.get().pk)
    assert list(Event.objects.values_list("pk", flat=True)) == before


def test_what_the_law_demands_is_kept_out_of_reach_and_goes_when_its_time_is_over(person, cast, monkeypatch) -> None:
    ask_and_approve(person, cast["administrator"], unbound="")
    erase(person)
    person = Patient.objects.get(pk=person.pk)
    assert person.given_name == WORDS[0]
    assert MedicationOrder.objects.filter(patient=person).exists()
    assert not Consent.objects.filter(patient=person).exists()
    assert not patients_for(cast["physician"]).filter(pk=person.pk).exists()
    assert person.erasures.get().request.state == RequestState.DONE
    later = datetime.now(tz=UTC) + timedelta(days=3660)
    monkeypatch.setattr("compliance.services.erasure.timezone.now", lambda: later)
    erase(person)
    assert _found(_cells(), person.pk) == set()
