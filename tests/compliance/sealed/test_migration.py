"""The step that seals what says who a patient is, both ways, on a table with people in it."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from compliance.models import Patient, User, Ward
from compliance.selectors.identities import with_number
from compliance.services.subjects import destroy_subject_key

BEFORE = [("compliance", "0018_rule_trials")]


def _go(target: list[tuple[str, str]]) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(target)


@pytest.mark.django_db(transaction=True)
def test_sealing_goes_both_ways_and_loses_nothing() -> None:
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    ward = Ward.objects.create(name="Ward 4")
    one = Patient.objects.create(
        medical_record_number="T-001", given_name="Ada", family_name="Byron", birth_date=date(1961, 5, 17), ward=ward
    )
    gone = Patient.objects.create(
        medical_record_number="T-002", given_name="Grace", family_name="Hopper", birth_date=date(1970, 1, 1), ward=ward
    )
    User.objects.create(username="ada", role="patient", own_patient=one, last_login=timezone.now())
    destroy_subject_key(gone)
    try:
        _go(BEFORE)
        with connection.cursor() as cursor:
            cursor.execute("SELECT medical_record_number, given_name, family_name FROM compliance_patient ORDER BY 1")
            plain = cursor.fetchall()
            cursor.execute("SELECT first_name, last_name FROM compliance_user")
            assert cursor.fetchall() == [("Ada", "Byron")]
        assert ("T-001", "Ada", "Byron") in plain
        assert (gone.pk.hex, "Erased", "person") in plain
        assert "Hopper" not in str(plain)
        _go(newest)
        found = with_number("T-001").get()
        assert (found.pk, found.name, found.birth_date) == (one.pk, "Ada Byron", date(1961, 5, 17))
        with connection.cursor() as cursor:
            cursor.execute("SELECT medical_record_number, given_name, family_name, birth_date FROM compliance_patient")
            assert "Byron" not in str(cursor.fetchall())
        assert (User.objects.get().first_name, User.objects.get().display_name) == ("", "ada")
    finally:
        _go(newest)
