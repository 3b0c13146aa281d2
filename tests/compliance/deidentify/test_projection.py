"""What leaves a resource: never a word that could name somebody, and every interval as it was."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.deidentify import KINDS, Person, age_group, project, suppress

PERSON = Person("a1b2c3", 41, "60-69", "female")
NAMES = ["Ada Byron", "Ada", "T-001 (Ward 4)", "1961/05/17", "ada@example.org", "SN:CGM-77", "Bett Vier"]
ELEMENTS = [
    "id", "identifier", "status", "code", "category", "text", "subject", "patient", "performer", "device",
    "note", "detail", "valueString", "valueQuantity", "component", "effectiveDateTime", "authoredOn",
    "identifiedDateTime", "method", "basedOn", "medicationCodeableConcept", "severity", "dosageInstruction",
    "dosage", "prediction", "implicated", "coding", "display", "system", "value", "unit", "timing", "repeat",
    "boundsPeriod", "start", "timeOfDay", "doseAndRate", "doseQuantity",
]  # fmt: skip
named = st.sampled_from(NAMES)
anything = st.recursive(
    named | st.builds(lambda name: f"Patient/{name}", named),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(ELEMENTS), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(elements=st.dictionaries(st.sampled_from(ELEMENTS), anything, max_size=12))
def test_no_word_of_a_person_leaves_wherever_it_stands(kind, elements):
    written = json.dumps(project({**elements, "resourceType": kind}, PERSON, "new"))
    for name in NAMES:
        assert name not in written


@given(
    first_s=st.integers(-600_000_000, 3_700_000_000),
    apart_s=st.integers(0, 10**8),
    offset=st.integers(-365, 365),
)
def test_intervals_within_a_person_are_kept_to_the_second(first_s, apart_s, offset):
    person = Person("p", offset, "0-9", "male")
    moments = [datetime.fromtimestamp(first_s + later_s, tz=UTC) for later_s in (0, apart_s)]
    moved = [
        datetime.fromisoformat(
            project(
                {"resourceType": "Observation", "effectiveDateTime": at.isoformat().replace("+00:00", "Z")}, person, "n"
            )["effectiveDateTime"]
        )
        for at in moments
    ]
    assert moved[1] - moved[0] == moments[1] - moments[0]
    assert moved[0] - moments[0] == timedelta(days=offset)


@given(day=st.dates(date(1950, 1, 1), date(2090, 1, 1)), offset=st.integers(-365, 365))
def test_days_move_as_moments_do(day, offset):
    made = project(
        {
            "resourceType": "MedicationRequest",
            "dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": {"start": day.isoformat()}}}}],
        },
        Person("p", offset, "0-9", "male"),
        "n",
    )
    moved = made["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"]["start"]
    assert date.fromisoformat(moved) - day == timedelta(days=offset)


@pytest.mark.parametrize("inexact", ["2026", "2026-05", "yesterday", "2026-05-17T10:00:00", 17, None])
def test_a_date_that_cannot_be_moved_goes(inexact):
    made = project({"resourceType": "Observation", "effectiveDateTime": inexact}, PERSON, "n")
    assert "effectiveDateTime" not in made


def test_what_is_measured_stays():
    made = project(
        {
            "resourceType": "Observation",
            "id": "17",
            "code": {
                "coding": [{"system": "http://loinc.org", "code": "2339-0", "display": "Glucose"}],
                "text": "Glucose",
            },
            "valueQuantity": {"value": 97.5, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
            "device": {"reference": "Device/12"},
        },
        PERSON,
        "n",
    )
    assert made == {
        "resourceType": "Observation",
        "id": "n",
        "subject": {"reference": "Patient/a1b2c3"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "2339-0"}]},
        "valueQuantity": {"value": 97.5, "system": "http://unitsofmeasure.org", "code": "mg/dL"},
    }


@pytest.mark.parametrize("kind", ["Device", "ImagingStudy", "AuditEvent", "Provenance", "Consent", "Patient"])
def test_nothing_leaves_of_a_type_that_is_not_named(kind):
    with pytest.raises(KeyError):
        project({"resourceType": kind}, PERSON, "n")


@pytest.mark.parametrize(
    ("age", "group"), [(0, "0-9"), (9, "0-9"), (64, "60-69"), (89, "80-89"), (90, "90+"), (117, "90+")]
)
def test_ages_over_89_are_one_group(age, group):
    assert age_group(age) == group


@given(
    people=st.lists(
        st.builds(
            Person,
            st.uuids().map(str),
            st.integers(1, 9),
            st.sampled_from(["0-9", "10-19", "90+"]),
            st.sampled_from(["male", "female"]),
        ),
        max_size=40,
        unique_by=lambda person: person.pseudonym,
    ),
    k=st.integers(2, 10),
)
def test_nobody_is_left_in_a_group_below_k(people, k):
    left = suppress(people, k)
    for person in left.kept:
        assert sum(other.group == person.group for other in left.kept) >= k
    assert left.left_out == len(people) - len(left.kept)
    assert left.smallest == 0 or left.smallest >= k
    gone = set(people) - set(left.kept)
    assert all(sum(other.group == person.group for other in people) < k for person in gone)
