"""The generators show the published facts, features never look ahead, the shipped model beats simple rules."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.adherence import generator_motivation, generator_phases
from compliance.adherence.evaluation import GENERATORS, SEEDS, brier_gain
from compliance.adherence.features import COLUMNS, FACTORS, known, matrix
from compliance.adherence.histories import History, facts
from compliance.adherence.reasons import reasons
from compliance.adherence.risk import SHIPPED, parse, shipped
from compliance.adherence.scores import auc, ece, fit_line, score
from compliance.adherence.training import TRAINING_SEED, rivals, table, train
from compliance.measuring import Report


@st.composite
def histories(draw):
    slots = draw(st.sampled_from([(480,), (480, 1200), (360, 840, 1320)]))
    days = draw(st.integers(1, 40))
    n = days * len(slots)
    taken = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    delay = np.array(draw(st.lists(st.floats(-90, 300), min_size=n, max_size=n)))
    day = np.repeat(np.arange(days), len(slots))
    weekday = (day + draw(st.integers(0, 6))) % 7
    return History(day, weekday, np.tile(slots, days), taken, np.where(taken, delay, np.nan))


@pytest.mark.parametrize("cohort", [generator_phases.cohort, generator_motivation.cohort])
def test_generator_shows_the_published_facts(cohort):
    found = facts(cohort(5, 1200, doses_per_day=1))
    assert found.omitted == pytest.approx(0.10, abs=0.02)
    assert found.single == pytest.approx(0.42, abs=0.07)
    assert found.long == pytest.approx(0.43, abs=0.07)
    assert found.holiday == pytest.approx(0.5, abs=0.1)
    assert found.stopped == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize("generator", [generator_phases, generator_motivation])
def test_person_does_not_depend_on_the_size_of_the_cohort(generator):
    few, many = generator.cohort(7, 3), generator.cohort(7, 5)
    assert all((a.history.taken == b.history.taken).all() for a, b in zip(few, many, strict=False))


@settings(max_examples=40, deadline=None)
@given(histories(), st.data())
def test_features_never_read_the_outcome_that_they_predict(history, data):
    at = data.draw(st.integers(0, len(history) - 1))
    taken, delay = history.taken.copy(), history.delay_min.copy()
    taken[at:] = ~taken[at:]
    delay[at:] = np.where(taken[at:], 17.0, np.nan)
    changed = replace(history, taken=taken, delay_min=delay)
    np.testing.assert_array_equal(matrix(history)[: at + 1], matrix(changed)[: at + 1])


@settings(max_examples=40, deadline=None)
@given(histories(), st.data())
def test_last_row_is_the_same_whether_served_alone_or_trained_in_a_year(history, data):
    n = data.draw(st.integers(1, len(history)))
    np.testing.assert_allclose(matrix(history.head(n))[-1], matrix(history)[n - 1], atol=1e-9)
    assert np.isfinite(matrix(history)).all()


@settings(max_examples=40, deadline=None)
@given(histories())
def test_contributions_add_up_to_the_prediction(history):
    model = shipped()
    prediction = model.predict(history)
    total = model.base_logit + sum(part.log_odds for part in prediction.contributions)
    assert math.log(prediction.probability / (1 - prediction.probability)) == pytest.approx(total, abs=1e-9)
    assert {part.factor for part in prediction.contributions} == set(FACTORS)
    sizes = [abs(part.log_odds) for part in prediction.contributions]
    assert sizes == sorted(sizes, reverse=True)


def _history(taken: list[bool], delay_min: float = 5.0) -> History:
    n = len(taken)
    flags = np.array(taken)
    return History(np.arange(n), np.arange(n) % 7, np.full(n, 480), flags, np.where(flags, delay_min, np.nan))


def test_risk_rises_with_every_day_without_a_dose():
    risks = [shipped().predict(_history([True] * 30 + [False] * gap + [True])).probability for gap in range(5)]
    assert risks == sorted(risks)
    assert risks[0] < 0.1 < 0.4 < risks[-1]


def test_three_reasons_say_what_was_seen():
    history = _history([True] * 30 + [False] * 4 + [True])
    told = reasons(shipped().predict(history), history)
    assert len(told) == 3
    assert told[0]["sentence"] == "The last intake is 5 days ago"
    assert "4 of 7 doses not seen in the last 7 days" in {reason["sentence"] for reason in told}
    assert all(reason["log_odds"] > 0 for reason in told)


def test_every_factor_has_words_without_blame():
    history = _history([True, False, True, True, True, True, True])
    prediction = shipped().predict(history)
    told = reasons(prediction, history, shown=len(FACTORS))
    assert {reason["factor"] for reason in told} == set(FACTORS)
    assert not any(word in reason["sentence"].lower() for reason in told for word in ("compliant", "fail", "forgot"))


def test_first_dose_of_all_gets_a_risk():
    history = _history([True])
    assert math.isnan(known(history).gap_days)
    assert 0 < shipped().predict(history).probability < 0.5
    with pytest.raises(ValueError):
        shipped().predict(history.head(0))


@pytest.mark.parametrize("generator", ["a", "b"])
def test_shipped_model_beats_simple_rules_on_people_it_never_saw(generator):
    data = table(GENERATORS[generator](4242, 300))
    p = shipped().probability(data.rows)
    own = score(p, data.missed)
    for name in ("own_rate", "last_7_days"):
        rival = rivals(data)[name]
        theirs = score(rival, data.missed)
        assert own.auc > theirs.auc
        assert own.log_loss < theirs.log_loss
        assert own.brier < theirs.brier
        assert brier_gain(p, rival, data)[0] > 0 or name == "last_7_days"
    assert own.ece < 0.03
    assert 0.8 < own.slope < 1.25


def test_evaluation_people_are_not_the_training_people():
    assert TRAINING_SEED not in SEEDS
    trained, unseen = generator_phases.cohort(TRAINING_SEED, 2), generator_phases.cohort(SEEDS[0], 2)
    assert not np.array_equal(trained[0].history.taken[:50], unseen[0].history.taken[:50])


def test_training_again_gives_the_same_weights():
    assert train(seed=3, people=40).as_json() == train(seed=3, people=40).as_json()
    assert parse(train(seed=3, people=40).as_json()).version.startswith("next-dose-1-")


@pytest.mark.parametrize(
    "change",
    [
        {"columns": ["usual_logit"]},
        {"intercept": float("nan")},
        {"weights": [1.0]},
        {"scale": [0.0] * len(COLUMNS)},
    ],
)
def test_weights_that_cannot_be_are_refused(change):
    values = json.loads(SHIPPED.read_text()) | change
    with pytest.raises(ValueError):
        parse(json.dumps(values))


def test_auc_counts_ties_half():
    missed = np.array([True, True, False, False])
    assert auc(np.array([0.9, 0.5, 0.5, 0.1]), missed) == pytest.approx(3.5 / 4)
    assert auc(np.array([0.3, 0.3, 0.3, 0.3]), missed) == pytest.approx(0.5)


def test_calibration_scores_find_an_overconfident_model():
    rng = np.random.default_rng(1)
    logit = rng.normal(-2, 1, 40_000)
    missed = rng.random(40_000) < 1 / (1 + np.exp(-logit))
    honest, bold = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(-2 * logit))
    assert fit_line(logit, missed) == pytest.approx((1.0, 0.0), abs=0.05)
    assert score(bold, missed).slope == pytest.approx(0.5, abs=0.03)
    assert ece(honest, missed) < 0.01 < ece(bold, missed)


def test_report_holds_bars_for_both_generators():
    from compliance.adherence import evaluation

    report = Report("risk", quick=True)
    evaluation.measure(report, shipped())
    assert report.passed
    assert {bar.name[:2] for bar in report.bars} == {"a_", "b_"}
    assert any("Synthetic" in note for note in report.notes)
