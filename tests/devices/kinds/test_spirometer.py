"""The spirometer's table: one breath, four numbers, no next one to wait for."""

from __future__ import annotations

from devices.fhir.codes import OBSERVABLES
from devices.kinds.gatt import MEASUREMENT_LOG
from devices.kinds.registry import KINDS

KIND = KINDS["spirometer"]
BREATH = ("fvc", "fev1", "fev1_fvc", "pef")


def test_a_breath_comes_as_an_event_in_the_units_of_the_field() -> None:
    assert [(KIND[key].unit, KIND[key].period_s) for key in BREATH] == [("L", 0), ("L", 0), ("%", 0), ("L/s", 0)]


def test_codes_of_loinc_are_those_without_a_drug_and_without_a_prediction() -> None:
    assert [KIND[key].loinc for key in BREATH] == ["19868-9", "20150-9", "19926-5", "33452-4"]


def test_what_no_lung_can_blow_is_refused() -> None:
    assert all(KIND[key].permits(value) for key, value in (("fvc", 11.7), ("fev1_fvc", 100.0), ("pef", 14.0)))
    assert not any(KIND[key].permits(value) for key, value in (("fvc", 14.0), ("fev1_fvc", 101.0), ("pef", -0.1)))


def test_it_speaks_the_measurement_log_and_says_what_it_lives_on() -> None:
    assert {key for service in KIND.services if service.number == MEASUREMENT_LOG for key in service.carries} == {
        *BREATH
    }
    assert KIND.power is not None
    assert "(E)" in KIND.power.source


def test_it_is_a_procedure_for_other_systems() -> None:
    assert {OBSERVABLES[key].category for key in BREATH} == {"procedure"}
