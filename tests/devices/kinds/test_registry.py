"""The tables of the device kinds: complete, consistent, and with the codes of the standards."""

from __future__ import annotations

import re

import pytest

from devices.errors import ReadingMetricUnknown
from devices.kinds.measurement import Form, Partition
from devices.kinds.registry import KINDS, Measurement, by_code, by_key

EVERY = sorted({m for kind in KINDS.values() for m in kind.measurements}, key=lambda m: m.key)
# ISO/IEEE 11073-10101 and the device specialisations 11073-10419 and -10425, read off their tables.
STANDARD = {
    "heart_rate": 147842,
    "spo2": 150456,
    "respiration_rate": 151562,
    "bp_systolic": 150021,
    "bp_diastolic": 150022,
    "bp_mean": 150023,
    "temperature": 150364,
    "ecg": 131330,
    "glucose": 160212,
    "infusion_rate": 157784,
    "infused_volume": 157993,
    "insulin_rate": 8418288,
    "insulin_bolus": 8418344,
    "insulin_reservoir": 8418388,
    "fvc": 188928,
    "fev1": 152586,
    "fev1_fvc": 188948,
    "pef": 152584,
    "battery": 67996,
}


def test_every_folder_is_a_kind_of_its_own_name() -> None:
    assert set(KINDS) == {
        "insulin_pump",
        "infusion_pump",
        "cgm",
        "vital_signs_monitor",
        "smart_pillbox",
        "spirometer",
        "mr_scanner",
    }
    assert all(name == kind.name for name, kind in KINDS.items())


def test_codes_are_those_of_the_standard_or_private() -> None:
    for measurement in EVERY:
        if measurement.key in STANDARD:
            assert measurement.code == STANDARD[measurement.key]
        else:
            assert measurement.code >> 16 == Partition.PRIVATE


@pytest.mark.parametrize("measurement", EVERY, ids=lambda m: m.key)
def test_measurement_is_found_by_code_and_key(measurement: Measurement) -> None:
    assert by_code(measurement.code) is by_key(measurement.key)


@pytest.mark.parametrize("measurement", EVERY, ids=lambda m: m.key)
def test_measurement_is_described_completely(measurement: Measurement) -> None:
    assert measurement.label
    assert measurement.low < measurement.high
    assert measurement.period_s >= 0
    assert bool(measurement.values) is (measurement.kind is Form.ENUMERATION)
    assert _loinc_check_digit_is_right(measurement.loinc)


def _loinc_check_digit_is_right(code: str) -> bool:
    """LOINC numbers end in a Luhn (mod 10) check digit."""
    if not code:
        return True
    assert re.fullmatch(r"\d{1,7}-\d", code)
    number, check = code.split("-")
    doubled = "".join(str(int(d) * 2) if i % 2 == 0 else d for i, d in enumerate(reversed(number)))
    return (10 - sum(map(int, doubled)) % 10) % 10 == int(check)


def test_unknown_code_is_refused_by_name() -> None:
    with pytest.raises(ReadingMetricUnknown):
        by_code(1)


def test_unknown_key_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        by_key("mood")
    with pytest.raises(KeyError):
        KINDS["cgm"]["heart_rate"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 351.0])
def test_impossible_heart_rate_is_not_permitted(value: float) -> None:
    assert not by_key("heart_rate").permits(value)


def test_enumeration_permits_only_its_named_numbers() -> None:
    assert by_key("pump_alarm").permits(4.0)
    assert not by_key("pump_alarm").permits(1.5)


def test_kind_measures_only_what_its_table_says() -> None:
    assert KINDS["cgm"].measures(by_key("glucose").code)
    assert not KINDS["cgm"].measures(by_key("heart_rate").code)


def test_units_read_like_a_bedside_display() -> None:
    assert (by_key("bp_mean").unit_label, by_key("glucose").unit_label) == ("mmHg", "mg/dL")


def test_services_carry_what_the_kind_measures_and_carry_it_once():
    for kind in KINDS.values():
        carried = [key for service in kind.services for key in service.carries]
        assert len(set(carried)) == len(carried), kind.name
        assert not kind.services or set(carried) == {m.key for m in kind.measurements}, kind.name
        missed = {key for service in kind.services for key in service.missed}
        assert missed <= set(carried), kind.name
