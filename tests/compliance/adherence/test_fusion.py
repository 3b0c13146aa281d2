"""Three sensors, one verdict; and readings in any order give the same episodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.adherence.episodes import WAIT_S, Sample, Sensor, episodes
from compliance.adherence.fusion import VERIFIED_AT, Episode, Finding, judge

DOSE_G = 0.2


def _episode(drop_g: float | None, hand: bool | None = True) -> Episode:
    after = None if drop_g is None else 40.0 - drop_g
    return Episode(10, 14, 1000.0, 1007.0, hand, None if drop_g is None else 40.0, after)


@pytest.mark.parametrize(
    ("drop_g", "hand", "finding"),
    [
        (0.2, True, Finding.TAKEN),
        (0.0, True, Finding.OPENED),
        (0.0, False, Finding.OPENED),
        (0.4, True, Finding.DOUBLE),
        (0.6, True, Finding.SEVERAL),
        (2.8, True, Finding.SEVERAL),
        (-2.8, True, Finding.REFILLED),
        (0.1, True, Finding.UNCLEAR),  # half a tablet
        (0.3, True, Finding.UNCLEAR),
    ],
)
def test_weight_and_hand_tell_what_happened(drop_g, hand, finding):
    assert judge(_episode(drop_g, hand), DOSE_G).finding is finding


def test_curiosity_is_not_an_intake_even_when_a_hand_was_seen():
    verdict = judge(_episode(0.01, hand=True), DOSE_G)
    assert verdict.finding is Finding.OPENED
    assert verdict.confidence > 0.98


def test_missing_weight_lowers_the_confidence_instead_of_inventing_an_intake():
    without, with_weight = judge(_episode(None), DOSE_G), judge(_episode(0.2), DOSE_G)
    assert without.confidence < VERIFIED_AT
    assert without.finding is Finding.UNCLEAR
    assert with_weight.confidence > 0.99


def test_silent_hand_sensor_leaves_the_weight_to_decide():
    assert judge(_episode(0.2, hand=None), DOSE_G).finding is Finding.TAKEN


def test_weight_without_a_hand_is_less_sure_than_with_one():
    assert judge(_episode(0.2, hand=False), DOSE_G).confidence < judge(_episode(0.2, hand=True), DOSE_G).confidence


def test_weightless_dose_is_refused():
    with pytest.raises(ValueError):
        judge(_episode(0.2), 0.0)


@given(st.floats(-500, 500), st.sampled_from([None, True, False]), st.floats(0.05, 20))
def test_confidence_is_a_probability_whatever_the_sensors_say(drop_g, hand, dose_g):
    verdict = judge(_episode(drop_g, hand), dose_g)
    assert 0.0 <= verdict.confidence <= 1.0 + 1e-12
    assert verdict.finding in set(Finding)


def _opening(seq: int, t: float, before_g: float, after_g: float) -> list[Sample]:
    return [
        Sample(seq, t - 30, Sensor.WEIGHT, before_g),
        Sample(seq + 1, t, Sensor.LID, 1.0),
        Sample(seq + 2, t + 1, Sensor.HAND, 1.0),
        Sample(seq + 3, t + 4, Sensor.HAND, 0.0),
        Sample(seq + 4, t + 7, Sensor.LID, 0.0),
        Sample(seq + 5, t + 9, Sensor.WEIGHT, after_g),
    ]


def test_readings_become_an_episode():
    (episode,) = episodes(_opening(100, 5000.0, 40.0, 39.8))
    assert (episode.opened_seq, episode.closed_seq, episode.hand) == (101, 104, True)
    assert episode.weight_drop_g == pytest.approx(0.2)


def test_episode_waits_for_its_weighing():
    samples = _opening(100, 5000.0, 40.0, 39.8)
    assert episodes(samples[:-1]) == []
    heard = Sample(200, 5007.0 + WAIT_S + 1, Sensor.HAND, 0.0)
    (episode,) = episodes([*samples[:-1], heard])
    assert episode.weight_drop_g is None


def test_next_opening_ends_the_wait():
    first, second = _opening(100, 5000.0, 40.0, 39.8)[:-1], _opening(200, 5060.0, 39.8, 39.6)[1:]
    found = episodes(first + second)
    assert [episode.opened_seq for episode in found] == [101, 201]
    assert found[0].weight_after_g is None


def test_lid_left_open_for_an_hour_says_nothing():
    samples = _opening(100, 5000.0, 40.0, 39.8)
    late = [sample._replace(t=sample.t + 3600) if sample.seq >= 104 else sample for sample in samples]
    assert episodes(late) == []


@given(st.randoms(use_true_random=False), st.lists(st.floats(0, 3), min_size=1, max_size=5), st.integers(1, 3))
def test_order_and_repetition_of_readings_do_not_matter(random, drops, copies):
    samples, weight = [], 40.0
    for number, drop in enumerate(drops):
        samples += _opening(100 * (number + 1), 5000.0 + 600 * number, weight, weight - drop)
        weight -= drop
    expected = episodes(samples)
    assert len(expected) == len(drops)
    shuffled = samples * copies
    random.shuffle(shuffled)
    assert episodes(shuffled) == expected
