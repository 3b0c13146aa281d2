"""The emulated spirometer: numbers that one breath can give, and the same breath after a restart."""

from __future__ import annotations

import pytest

from devices.kinds.registry import by_code, by_key
from twin.physiology.people import Condition, VirtualPatient, virtual_patient
from twin.physiology.plants import build
from twin.physiology.spirometry import lungs_of, predicted

START = 1_790_157_600.0
KEYS = ("fvc", "fev1", "fev1_fvc", "pef")


def person(seed: int, *conditions: Condition) -> VirtualPatient:
    return VirtualPatient(seed, {"spirometer": 7}, age_years=66.0, sex="male", conditions=frozenset(conditions))


def blown(until: float, since: float, seed: int = 3, **changes: object) -> dict[float, dict[str, float]]:
    """Return what a plant tells between two moments, by time and key, the battery left out."""
    described = {"seed": seed, "devices": {"spirometer": 7}, "age_years": 66, "conditions": ["copd"], **changes}
    plant = build([{"device_id": 7, "kind": "spirometer"}], {"patients": [described], "backfill_s": 1.0})
    plant.advance(since)
    found: dict[float, dict[str, float]] = {}
    for one in plant.advance(until):
        if (key := by_code(one.metric_code).key) in KEYS:
            found.setdefault(one.t, {})[key] = one.value
    return found


# What spiref 1.0.4 returns (kennethverstraete/spiref, `nhanes3`), by sex, height in m and age in years: FVC, FEV1, PEF.
OF_ANOTHER_PROGRAM = [
    ("male", 1.75, 50.0, (4.8753, 3.7896, 9.5804)),
    ("male", 1.815, 33.0, (5.6760, 4.5805, 10.5883)),
    ("female", 1.65, 50.0, (3.6574, 2.8976, 6.8838)),
    ("female", 1.58, 74.0, (2.6344, 1.9737, 5.0574)),
]


@pytest.mark.parametrize(("sex", "height_m", "age_years", "expected"), OF_ANOTHER_PROGRAM)
def test_reference_values_are_those_of_another_program(
    sex: str, height_m: float, age_years: float, expected: tuple[float, ...]
) -> None:
    lungs = predicted(sex, height_m, age_years)
    assert (lungs.fvc_l, lungs.fev1_l, lungs.pef_l_per_s) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("sex", "first_year"), [("female", 18.0), ("male", 20.0)])
def test_whoever_is_too_young_for_the_equations_of_adults_counts_as_the_youngest_of_them(
    sex: str, first_year: float
) -> None:
    youngest = predicted(sex, 1.75, first_year)
    assert predicted(sex, 1.75, first_year - 1.0) == youngest != predicted(sex, 1.75, first_year + 1.0)


@pytest.mark.parametrize(("sex", "height_m", "fev1_l"), [("male", 1.70, 2.87), ("female", 1.60, 2.17)])
def test_at_seventy_the_first_second_is_the_one_that_others_compared_with(
    sex: str, height_m: float, fev1_l: float
) -> None:
    """A table of the European Respiratory Journal sets reference studies beside each other; its row of Hankinson's."""
    assert round(predicted(sex, height_m, 70.0).fev1_l, 2) == fev1_l


# Lower limits of normal of a man's FVC: 28 CFR part 79, appendix A, which takes them from the same paper.
LOWER_LIMITS_L = [
    (154.9, 49, 2.96), (154.9, 65, 2.48), (154.9, 81, 1.86), (160.0, 61, 2.86), (165.1, 55, 3.31), (168.9, 79, 2.66),
]  # fmt: skip
PREDICTED_BUT_LIMIT = 0.00018642 - 0.00015695  # per cm of height squared; all other terms are the same in both


@pytest.mark.parametrize(("height_cm", "age_years", "limit_l"), LOWER_LIMITS_L)
def test_a_mans_capacity_lies_above_the_limit_in_law_by_what_the_paper_says(
    height_cm: float, age_years: float, limit_l: float
) -> None:
    limit = predicted("male", height_cm / 100.0, age_years).fvc_l - PREDICTED_BUT_LIMIT * height_cm**2
    assert limit == pytest.approx(limit_l, abs=0.011)  # its heights are rounded from inches


def test_copd_is_obstruction_and_others_are_not_obstructed() -> None:
    for seed in range(40):
        ill, well = lungs_of(person(seed, Condition.COPD)), lungs_of(person(seed))
        assert ill.fev1_l / ill.fvc_l < 0.70 <= well.fev1_l / well.fvc_l
        assert ill.pef_l_per_s < well.pef_l_per_s


def test_every_session_gives_four_numbers_that_fit_together() -> None:
    sessions = blown(START + 86_400.0, START)
    assert len(sessions) == 24
    for values in sessions.values():
        assert set(values) == set(KEYS)
        assert values["fev1"] <= values["fvc"]
        assert values["fev1_fvc"] == pytest.approx(100.0 * values["fev1"] / values["fvc"], abs=0.6)
        assert all(by_key(key).permits(value) for key, value in values.items())


def test_a_restarted_emulator_blows_the_same_and_nothing_is_thinned_out() -> None:
    whole, later = blown(START + 43_200.0, START), blown(START + 43_200.0, START + 21_600.0)
    assert later == {t: values for t, values in whole.items() if t > START + 21_600.0}


def test_the_record_tells_the_sex_and_without_it_one_is_drawn() -> None:
    told = {"seed": 1, "devices": {}, "sex": None}
    assert virtual_patient(told).sex == ""
    assert lungs_of(virtual_patient(told)) == lungs_of(virtual_patient(told))
