"""Noise, vital signs and ECG: statistics that look like a person, and the same value for the same moment."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from twin.physiology.daily import asleep, plan_day
from twin.physiology.ecg import BLOCK_SAMPLES, SAMPLE_RATE_HZ, Heart, wave_mv
from twin.physiology.noise import Wander, hashed_normal
from twin.physiology.people import virtual_patient
from twin.physiology.vitals import VitalSigns

NOON = 1_790_157_600.0  # 2026-09-23, 12:00 in Berlin
DAY = date(2026, 9, 23)


def patient(**changed):
    described = {"seed": 7, "devices": {}, "time_zone": "Europe/Berlin", "age_years": 60, **changed}
    return virtual_patient(described)


def signs_of(who, t):
    return VitalSigns(who).at(t, plan_day(who, DAY, 12.0))


def test_wander_has_unit_variance_and_the_correlation_time_that_was_asked():
    t = np.arange(0.0, 20_000.0, 5.0)
    rows = np.array([Wander.drawn(np.random.default_rng(seed), 60.0).at(t) for seed in range(60)])
    assert rows.var() == pytest.approx(1.0, abs=0.1)
    assert abs(rows.mean()) < 0.05
    lagged = (rows[:, :-12] * rows[:, 12:]).mean() / rows.var()
    assert lagged == pytest.approx(np.exp(-1.0), abs=0.08)


def test_wander_depends_on_time_alone_and_not_on_how_often_it_is_asked():
    wander = Wander.drawn(np.random.default_rng(1), 30.0)
    t = NOON + np.arange(50.0)
    assert wander.at(t) == pytest.approx(np.array([wander.at(np.array([at]))[0] for at in t]), abs=1e-12)


def test_hashed_noise_is_white_and_normal_and_repeats():
    index = np.arange(40_000)
    noise = hashed_normal(5, index)
    assert noise.mean() == pytest.approx(0.0, abs=0.02)
    assert noise.std() == pytest.approx(1.0, abs=0.02)
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.02
    assert (hashed_normal(5, index[100:200]) == noise[100:200]).all()
    assert np.abs(hashed_normal(6, index) - noise).mean() > 0.5


@pytest.mark.parametrize("seed", range(12))
def test_a_healthy_person_at_rest_stays_inside_the_ordinary_ranges(seed):
    signs = signs_of(patient(seed=seed), NOON - 3600.0 * 10.0 + np.arange(0.0, 86_400.0, 30.0))
    for values, low, high in (
        (signs.heart_rate, 45.0, 130.0),
        (signs.spo2, 93.0, 100.0),
        (signs.respiration_rate, 7.5, 28.0),
        (signs.bp_systolic, 95.0, 165.0),
        (signs.temperature, 35.9, 37.7),
    ):
        assert values.min() >= low
        assert values.max() <= high
    assert (signs.bp_diastolic < signs.bp_mean).all()
    assert (signs.bp_mean < signs.bp_systolic).all()


def test_night_is_calmer_than_day():
    t = NOON + np.arange(-36_000.0, 43_200.0, 60.0)
    who = patient()
    signs, deep = signs_of(who, t), asleep(who.local_hour(t)) > 0.9
    assert signs.heart_rate[deep].mean() < signs.heart_rate[~deep].mean() - 4.0
    assert signs.bp_systolic[deep].mean() < signs.bp_systolic[~deep].mean() - 5.0


def test_sleep_follows_the_time_zone():
    at = np.array([NOON])
    assert asleep(patient().local_hour(at))[0] < 0.01
    assert asleep(patient(time_zone="America/Los_Angeles").local_hour(at))[0] > 0.9


def test_desaturation_lowers_oxygen_and_drives_heart_and_breath_and_ends():
    episode = {"kind": "desaturation", "at": NOON, "duration_s": 200}
    t = NOON + np.arange(-60.0, 260.0, 2.0)
    plain, ill = signs_of(patient(), t), signs_of(patient(episodes=[episode]), t)
    middle = np.abs(t - NOON - 100.0) < 30.0
    assert (plain.spo2 - ill.spo2)[middle].mean() == pytest.approx(9.5, abs=0.5)
    assert (ill.heart_rate - plain.heart_rate)[middle].mean() > 10.0
    assert (ill.respiration_rate - plain.respiration_rate)[middle].mean() > 6.0
    outside = (t < NOON) | (t > NOON + 200.0)
    assert ill.spo2[outside] == pytest.approx(plain.spo2[outside])


def test_fever_raises_the_heart_rate_eight_beats_a_degree():
    t = NOON + np.arange(0.0, 3600.0, 10.0)
    hot = signs_of(patient(episodes=[{"kind": "fever", "at": NOON, "duration_s": 3600}]), t)
    plain = signs_of(patient(), t)
    degrees = (hot.temperature - plain.temperature)[180]
    assert degrees == pytest.approx(1.8, abs=0.01)
    assert (hot.heart_rate - plain.heart_rate)[180] == pytest.approx(8.0 * degrees, abs=0.01)


def test_hypoglycaemia_is_felt_by_the_heart():
    who, t = patient(), NOON + np.arange(10.0)
    day = plan_day(who, DAY, 12.0)
    low = VitalSigns(who).at(t, day, np.full(10, 50.0)).heart_rate
    assert (low - VitalSigns(who).at(t, day, np.full(10, 110.0)).heart_rate).mean() > 15.0


def test_the_r_wave_is_one_millivolt_and_the_highest_of_all():
    phase = np.linspace(-np.pi, np.pi, 4001)
    wave = wave_mv(phase, 60.0)
    assert wave.max() == pytest.approx(1.05, abs=0.15)
    assert abs(phase[wave.argmax()]) < 0.05
    t_wave = wave[(phase > 1.0) & (phase < 2.6)].max()
    assert 0.2 < t_wave < 0.6


def test_the_ecg_beats_at_the_heart_rate_with_a_little_variability():
    heart = Heart(np.random.default_rng(2))
    trace = np.concatenate([heart.block(NOON + block * 0.5, 72.0, 15.0) for block in range(240)])
    peak = (trace[1:-1] > 0.6) & (trace[1:-1] >= trace[:-2]) & (trace[1:-1] > trace[2:])
    at = np.flatnonzero(peak)
    beats = at[np.insert(np.diff(at) > 0.3 * SAMPLE_RATE_HZ, 0, True)]
    rr = np.diff(beats) / SAMPLE_RATE_HZ
    assert 60.0 / rr.mean() == pytest.approx(72.0, abs=1.0)
    assert 0.008 < rr.std() < 0.06


def test_ecg_blocks_join_without_a_step():
    heart = Heart(np.random.default_rng(2))
    first, second = heart.block(NOON, 60.0, 12.0), heart.block(NOON + 0.5, 60.0, 12.0)
    joined = np.concatenate([first, second])
    steps = np.abs(np.diff(joined))
    assert first.size == BLOCK_SAMPLES
    assert steps[BLOCK_SAMPLES - 1] < 0.05  # between beats nothing but baseline and a little noise moves
