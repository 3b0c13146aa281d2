"""What is kept about a patient: every table that leads to one is in the list, or has a reason not to be."""

from __future__ import annotations

import pytest
from django.apps import apps

from compliance.models import Patient, User
from tests.conftest import sign_in
from tests.system.objects import objects_of
from twin.selectors.own_record import NOT_SHOWN, SHOWN, holdings_of

HOUSE = {"compliance", "devices", "imaging", "twin"}


def _leads_to_a_patient(model, seen=()) -> bool:
    """Tell whether a row belongs to a patient, over any number of rows, but not by way of somebody's account."""
    if model is Patient:
        return True
    if model in seen or (model is User and seen):
        return False
    fields = model._meta.concrete_fields
    named = any(field.name == "patient_id" and not field.is_relation for field in fields)
    further = (field.related_model for field in fields if field.is_relation)
    return named or any(_leads_to_a_patient(other, (*seen, model)) for other in further)


def test_every_table_that_leads_to_a_patient_is_shown_or_has_a_reason() -> None:
    house = [model for model in apps.get_models() if model._meta.app_label in HOUSE]
    leading = {model._meta.label for model in house if _leads_to_a_patient(model)}
    assert leading - SHOWN.keys() - NOT_SHOWN.keys() == set(), "neither shown to patients nor excused"
    assert (SHOWN.keys() | NOT_SHOWN.keys()) - leading == set(), "these lead to nobody any more"
    assert SHOWN.keys() & NOT_SHOWN.keys() == set()


@pytest.mark.django_db
def test_the_list_counts_the_patients_own_rows_and_nobody_elses(patient, foreign_patient) -> None:
    before = {holding.words: holding.count for holding in holdings_of(patient)}
    objects_of(foreign_patient)
    assert {holding.words: holding.count for holding in holdings_of(patient)} == before
    objects_of(patient)
    found = {holding.words: holding for holding in holdings_of(patient)}
    for words in ("Image studies", "Forecasts", "Doses given, withheld or refused", "Emergency accesses to it"):
        assert (before[words], found[words].count) == (0, 1), words
    assert found["Image studies"].since is not None
    assert found["Image studies"].until == "10 years"
    assert found["Every value that devices measured"].count is None
    assert all(holding.why and holding.until for holding in found.values())


@pytest.mark.django_db
def test_the_page_says_of_each_kind_what_it_is_for_and_how_long_it_is_kept(client, cast, patient) -> None:
    html = sign_in(client, cast["patient"]).get("/me/").content.decode()
    for kind in SHOWN.values():
        assert kind.words in html
    assert "to treat you safely" in html
    assert "kept 10 years" in html
