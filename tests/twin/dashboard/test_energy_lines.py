"""What a patient's day would cost on each line, from what was counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from devices.energy.links import LINKS
from devices.protocol.suites import Suite
from twin.selectors.energy import EnergySummary, PatientEnergy, Sums
from twin.selectors.energy_lines import compare_lines

TAIL_J = 0.02


def _sums(link: str, messages: int) -> Sums:
    sent_j = LINKS[link].send_j(258 + 36) + TAIL_J
    return Sums(messages=messages, payload_bytes=258 * messages, radio_j=sent_j * messages, minutes=720)


def _summary(**uplinks: Sums) -> EnergySummary:
    patient: Any = SimpleNamespace(pk=1)
    monitored = [PatientEnergy(patient, Sums(minutes=720)), PatientEnergy(patient, Sums(minutes=720))]
    return EnergySummary(Sums(), Sums(), {}, {}, uplinks, [], monitored)


def test_frames_of_a_patient_s_day_are_priced_on_the_link_that_most_of_them_took() -> None:
    compared = compare_lines(_summary(wifi=_sums("wifi", 3000), ethernet=_sums("ethernet", 1000)))
    assert compared is not None
    assert compared.link is LINKS["wifi"]
    assert compared.a_day == 4000  # two patients for half a day each are one day
    assert compared.payload_bytes == 258
    for way in compared.ways:
        assert compared.joules_per_patient_day(way) == pytest.approx(way.cost.total_j * 4000)


def test_the_tail_of_the_books_stays_on_every_way() -> None:
    compared = compare_lines(_summary(wifi=_sums("wifi", 100)))
    assert compared is not None
    cheapest = min(compared.ways, key=lambda way: way.cost.total_j)
    assert TAIL_J < cheapest.cost.total_j < TAIL_J + 0.001
    assert {way.suite for way in compared.ways} == {None, *Suite}


def test_without_patients_or_a_link_that_speaks_ip_there_is_nothing_to_compare() -> None:
    assert compare_lines(_summary()) is None
    assert compare_lines(_summary(ble=_sums("ble", 10))) is None
    assert compare_lines(EnergySummary(Sums(), Sums(), {}, {}, {"wifi": _sums("wifi", 10)}, [])) is None
