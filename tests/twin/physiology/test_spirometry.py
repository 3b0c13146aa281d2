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


def test_reference_values_are_those_of_the_published_equations() -> None:
    man, woman = predicted("male", 1.75, 50.0), predicted("female", 1.65, 50.0)
    assert (man.fvc_l, man.fev1_l, man.pef_l_per_s) == pytest.approx((4.44, 3.585, 8.745))
    assert (woman.fvc_l, woman.fev1_l, woman.pef_l_per_s) == pytest.approx((3.1195, 2.6675, 6.465))
    assert predicted("male", 1.75, 19.0) == predicted("male", 1.75, 25.0)


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
