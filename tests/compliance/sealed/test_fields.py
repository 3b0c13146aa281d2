"""What says who somebody is lies sealed: in the table, in the index, in moves between rows, and under a wrong key."""

from __future__ import annotations

import re
from datetime import date

import pytest
from django.core.exceptions import FieldError
from django.db import IntegrityError, connection, transaction

from compliance.errors import SealedFieldAltered, SubjectErased
from compliance.models import Event, Patient
from compliance.models.people import ERASED, UNREADABLE
from compliance.selectors.identities import by_name, those_who, with_number
from compliance.services.subjects import destroy_subject_key

SEALED = ["medical_record_number", "given_name", "family_name", "birth_date"]


def _raw(sql: str, *values: object) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def _again(patient: Patient) -> Patient:
    return Patient.objects.get(pk=patient.pk)


def test_no_table_holds_who_a_patient_is(cast, patient):
    # Short ones as words of their own: four digits stand in every tenth list of moments, three letters in a long key.
    plain = [
        b"Byron",
        rb"(?<![0-9A-Za-z+/])Ada(?![0-9A-Za-z+/])",
        b"T-001",
        b"1961-05-17",
        rb"(?<![0-9A-Za-z.])1961(?![0-9A-Za-z])",
    ]
    for table in connection.introspection.table_names():
        held = b"\n".join(
            bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
            for row in _raw(f'SELECT * FROM "{table}"')
            for value in row
            if not isinstance(value, int)  # a row's number says nothing, and reaches every year in the end
        )
        for word in plain:
            assert not re.search(word, held), (table, word)


def test_a_row_reads_as_what_was_stored(patient):
    found = _again(patient)
    assert (found.name, found.birth_date) == ("Ada Byron", date(1961, 5, 17))
    assert found.medical_record_number == "T-001"


def test_two_equal_names_look_different_in_the_table(patient, foreign_patient):
    foreign_patient.family_name = patient.family_name
    foreign_patient.save()
    assert len(set(_raw("SELECT family_name FROM compliance_patient"))) == 2


def test_a_short_and_a_long_name_are_equally_long_in_the_table(patient, foreign_patient):
    patient.given_name, foreign_patient.given_name = "A", "Maximiliana Antonia"
    patient.save()
    foreign_patient.save()
    assert len({len(str(row[0])) for row in _raw("SELECT given_name FROM compliance_patient")}) == 1


@pytest.mark.parametrize("column", SEALED)
def test_a_value_moved_to_another_row_is_refused_and_noted(patient, foreign_patient, column):
    _raw(
        f"UPDATE compliance_patient SET {column} = (SELECT o.{column} FROM compliance_patient o "
        "WHERE o.record_number_index = %s) WHERE record_number_index = %s",
        foreign_patient.record_number_index,
        patient.record_number_index,
    )
    with pytest.raises(SealedFieldAltered):
        getattr(_again(patient), column)
    event = Event.objects.get(code="sealed_field_altered")
    assert (event.patient, event.detail) == (patient, {"field": column})


def test_a_value_moved_with_its_key_is_refused(patient, foreign_patient):
    _raw(
        "UPDATE compliance_patient SET (family_name, subject_key) = (SELECT o.family_name, o.subject_key "
        "FROM compliance_patient o WHERE o.record_number_index = %s) WHERE record_number_index = %s",
        foreign_patient.record_number_index,
        patient.record_number_index,
    )
    with pytest.raises(SealedFieldAltered):
        _ = _again(patient).family_name


def test_a_value_moved_to_another_column_is_refused(patient):
    _raw("UPDATE compliance_patient SET family_name = given_name")
    with pytest.raises(SealedFieldAltered):
        _ = _again(patient).family_name


def test_a_plain_value_written_by_hand_is_refused(patient):
    _raw("UPDATE compliance_patient SET family_name = 'Mallory'")
    with pytest.raises(SealedFieldAltered):
        _ = _again(patient).family_name


def test_the_board_stands_when_one_name_does_not_open(fresh_client, cast, patient):
    _raw("UPDATE compliance_patient SET family_name = given_name")
    page = fresh_client(cast["nurse"]).get("/")
    assert page.status_code == 200
    assert UNREADABLE in page.content.decode()
    assert Event.objects.filter(code="sealed_field_altered", patient=patient).exists()


def test_a_page_that_needs_the_value_says_what_happened(fresh_client, cast, patient):
    _raw("UPDATE compliance_patient SET given_name = family_name")
    page = fresh_client(cast["patient"]).get("/me/")
    assert page.status_code == 500
    assert "does not open" in page.content.decode()
    assert Event.objects.filter(code="sealed_field_altered").exists()


def test_the_database_is_never_asked_to_search_or_write_what_is_sealed(patient):
    with pytest.raises(FieldError, match="sealed"):
        Patient.objects.filter(family_name="Byron").exists()
    with pytest.raises(FieldError, match="sealed"):
        Patient.objects.filter(birth_date__year=1961).exists()
    with pytest.raises(TypeError, match="sealed"):
        Patient.objects.update(family_name="Byron")
    with pytest.raises(TypeError, match="sealed"):
        Patient.objects.bulk_update([_named(patient)], ["family_name"])


def _named(patient: Patient) -> Patient:
    patient.family_name = "Lovelace"
    return patient


@pytest.mark.parametrize("written", ["T-001", " t-001 ", "T-\uff10\uff10\uff11"])
def test_a_record_number_is_found_as_people_write_it(patient, foreign_patient, written):
    assert list(with_number(written)) == [patient]


def test_nobody_has_the_number_of_another(ward, patient):
    with pytest.raises(IntegrityError), transaction.atomic():
        Patient.objects.create(
            medical_record_number="t-001", given_name="X", family_name="Y", birth_date="1980-02-29", ward=ward
        )


def test_the_index_follows_a_corrected_number(patient):
    found = _again(patient)
    found.medical_record_number = "T-777"
    found.save()
    assert not with_number("T-001").exists()
    assert with_number("T-777").get() == patient


def test_what_nobody_opened_is_written_back_as_it_was(patient):
    before = _raw("SELECT family_name, subject_key FROM compliance_patient")
    found = _again(patient)
    found.bed = "9"
    found.save()
    assert _raw("SELECT family_name, subject_key FROM compliance_patient") == before


def test_lists_are_sorted_and_searched_by_name(patient, foreign_patient):
    assert by_name([foreign_patient, patient]) == [patient, foreign_patient]
    assert those_who(Patient.objects.all(), lambda one: one.family_name.startswith("By")) == [patient.pk]


def test_without_the_key_nobody_reads_who_it_was(patient, cast):
    destroy_subject_key(patient, by=cast["administrator"])
    found = _again(patient)
    assert (found.name, patient.name) == (ERASED, ERASED)
    for column in SEALED:
        with pytest.raises(SubjectErased):
            getattr(found, column)
    assert not with_number("T-001").exists()
    assert those_who(Patient.objects.all(), lambda one: bool(one.family_name)) == []
    assert Event.objects.filter(code="subject_key_destroyed", patient=patient).count() == 1


def test_a_destroyed_key_never_comes_back(patient, cast):
    before = _again(patient)
    destroy_subject_key(patient, by=cast["administrator"])
    before.bed = "7"
    before.save()
    assert _raw("SELECT subject_key FROM compliance_patient") == [(None,)]
    patient.given_name = "Ada"
    with pytest.raises(SubjectErased), transaction.atomic():
        patient.save()
    destroy_subject_key(patient, by=cast["administrator"])
    assert _raw("SELECT subject_key FROM compliance_patient") == [(None,)]
