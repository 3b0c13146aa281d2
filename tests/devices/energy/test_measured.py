"""What the lab measured: the kept run can be read, and noise is called noise."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.security.__main__ import cell_of
from benchmarks.security.attackers import changed
from benchmarks.security.house import MARK, Outcome
from benchmarks.security.pulse import FORGED_PER_MIN, is_true, pulse_at
from devices.energy.measured import ATTACKS, NONE, REPLAY, Cell, Measured, Spread, figures, in_words, measured
from devices.kinds.registry import by_key
from devices.protocol.decoding import decode_readings
from devices.protocol.frames import HEADER_BYTES, FrameKind, Header, encode_readings, parse_header

ALL = Spread(1.0, 1.0, 1.0)
CALM = Outcome(latency_ms=10.0, alert_ms=12.0, alerted=1.0, arrived=1.0, true=1.0, false=0.0, named_s=None)


def run_of(*cells: Cell) -> Measured:
    return Measured("a command", "a machine", 1, 3, 8.0, 6, 1500, 1024, cells)


def cell(secured: bool, attack: str = NONE, **changes: object) -> Cell:
    found = cell_of(attack, secured, [CALM])
    return msgspec.structs.replace(found, **changes)


def test_the_run_that_is_kept_holds_every_attack_on_both_and_says_where_it_comes_from() -> None:
    run = measured()
    assert {(one.attack, one.secured) for one in run.cells} == set(product(ATTACKS, (True, False)))
    assert run.command.startswith("python -m benchmarks.security")
    assert run.repeats >= 3, "one repeat has no range"
    assert len(in_words(run)) == len(ATTACKS)
    for one in run.cells:
        for share in (one.alerted, one.arrived, one.true, one.false):
            assert 0.0 <= share.low <= share.median <= share.high <= 1.0
        if one.secured:
            assert one.false.high == 0.0, "the house never showed what nobody measured"
            assert (one.named_s is None) == (one.attack == NONE)
        else:
            assert one.named_s is None, "whoever believes everybody names nobody"


def test_ranges_that_touch_are_noise() -> None:
    assert Spread(2.0, 1.0, 3.0).apart(Spread(5.0, 3.1, 6.0))
    assert not Spread(2.0, 1.0, 3.0).apart(Spread(5.0, 3.0, 6.0))
    noisy = run_of(
        cell(True, latency_ms=Spread(10.0, 8.0, 12.0)),
        cell(False, latency_ms=Spread(9.0, 7.0, 11.0)),
        cell(True, REPLAY, true=Spread(0.9, 0.8, 1.0)),
        cell(False, REPLAY, true=Spread(0.5, 0.2, 0.7)),
    )
    price, replay = in_words(noisy)
    assert "a reading is durable after 10 ms instead of 9 (within the noise)" in price
    assert replay.endswith("90 % of the time with security and 50 % without.")
    calm = run_of(cell(True), cell(False), cell(True, REPLAY, true=ALL), cell(False, REPLAY, true=ALL))
    assert in_words(calm)[1].endswith("which is within the noise.")


def test_what_was_never_there_in_most_repeats_is_not_averaged_over_the_rest() -> None:
    silent = replace(CALM, latency_ms=None, alert_ms=None)
    assert cell_of(REPLAY, False, [CALM, silent, silent]).latency_ms is None
    assert cell_of(REPLAY, False, [CALM, CALM, silent]).latency_ms == Spread(10.0, 10.0, 10.0)
    assert "dangerous" not in in_words(run_of(cell(True), cell(False, alert_ms=None)))[0]


@pytest.mark.parametrize(
    ("value", "words"), [(8.4712, "8.5"), (0.04, "0.04"), (163.2, "160"), (1234.0, "1200"), (0, "0")]
)
def test_no_figure_has_more_than_two_digits(value: float, words: str) -> None:
    assert figures(value) == words


@given(st.floats(1.7e9, 1.9e9))
def test_everybody_knows_which_pulse_is_true(t: float) -> None:
    at = round(t, 3)
    assert is_true(at, pulse_at(at))
    assert not is_true(at, FORGED_PER_MIN)


def test_an_attacker_who_can_read_a_frame_makes_another_of_it() -> None:
    payload = encode_readings(7, [by_key("heart_rate").code], [1.8e9], [pulse_at(1.8e9)])
    forged = changed(Header(FrameKind.READINGS, 5, 1, 7).raw + payload, 1000, 1.8e9 + 60.0)
    header, (reading,) = parse_header(forged), decode_readings(5, forged[HEADER_BYTES:])
    assert (header.device, header.counter, int(reading["seq"])) == (5, 1007, 1007)
    assert (float(reading["t"]), float(reading["value"])) == (1.8e9 + 60.0, FORGED_PER_MIN)


def test_the_mark_of_a_house_that_may_be_attacked_is_the_one_that_the_lab_asks_for(pytestconfig: pytest.Config) -> None:
    receiver = pytestconfig.rootpath / "tests" / "lab" / "receiver.py"
    assert f'MARK = "{MARK}"' in receiver.read_text()
