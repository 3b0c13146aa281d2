"""Train the risk model on generator A, and measure a model and its rivals on people that it never saw.

Split by person, never by dose: seeds make disjoint people. 70 % of the training people fit the weights, 30 % the
calibration line. scikit-learn is needed here and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from compliance.adherence.features import NAMES, PRIOR_MISS, matrix
from compliance.adherence.generator_phases import cohort
from compliance.adherence.histories import BoolArray, FloatArray, IntArray, Person
from compliance.adherence.risk import RiskModel
from compliance.adherence.scores import fit_line

TRAINING_SEED, TRAINING_PEOPLE = 20_261, 1_600
FIT_SHARE = 0.7
FIRST_DAY = 14  # two weeks of history before a person counts, for the model and for its rivals alike
RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class Table:
    """Feature rows of many people. rows: float64[n, k]; missed: bool[n]; person: int64[n]."""

    rows: FloatArray
    missed: BoolArray
    person: IntArray

    def where(self, chosen: BoolArray) -> Table:
        """Return the chosen rows."""
        return Table(self.rows[chosen], self.missed[chosen], self.person[chosen])


def table(people: Sequence[Person]) -> Table:
    """Return every dose from `FIRST_DAY` on, while the person was engaged."""
    rows, missed, who = [], [], []
    for index, human in enumerate(people):
        late_enough = human.history.day >= FIRST_DAY
        rows.append(matrix(human.history)[late_enough])
        missed.append(~human.history.taken[late_enough])
        who.append(np.full(int(late_enough.sum()), index))
    return Table(np.concatenate(rows), np.concatenate(missed), np.concatenate(who))


def train(seed: int = TRAINING_SEED, people: int = TRAINING_PEOPLE) -> RiskModel:
    """Return a model fitted to generator A: ridge logistic regression, then a Platt line on people kept aside."""
    from sklearn.linear_model import LogisticRegression

    data = table(cohort(seed, people))
    fitting = data.person < int(FIT_SHARE * people)
    fit, held = data.where(fitting), data.where(~fitting)
    mean, scale = fit.rows.mean(axis=0), fit.rows.std(axis=0)
    regression = LogisticRegression(C=1.0 / RIDGE, max_iter=500, tol=1e-8)
    regression.fit((fit.rows - mean) / scale, fit.missed)
    weights, intercept = regression.coef_[0], float(regression.intercept_[0])
    slope, offset = fit_line((held.rows - mean) / scale @ weights + intercept, held.missed)
    model = RiskModel(
        version="",
        trained_on=f"synthetic: generator A (phases), seed {seed}, {people} people, {len(fit.missed)} doses",
        mean=mean,
        scale=scale,
        weights=weights,
        intercept=intercept,
        slope=slope,
        offset=offset,
    )
    digest = hashlib.sha256(model.as_json().encode()).hexdigest()[:8]
    return replace(model, version=f"next-dose-1-{digest}")


def boosted(data: Table, seed: int = TRAINING_SEED, people: int = TRAINING_PEOPLE) -> FloatArray:
    """Return what gradient boosting on the same features and training people would say of `data`, float64[n].

    It is the model that did not ship: it learns the generator's own habits, which another generator does not share.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    known = table(cohort(seed, people))
    forest = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=15, early_stopping=False, random_state=0
    )
    return np.asarray(forest.fit(known.rows, known.missed).predict_proba(data.rows)[:, 1])


def rivals(data: Table) -> dict[str, FloatArray]:
    """Return what simple rules would say, float64[n] each; both rates are shrunk, which is kinder to them than raw
    ones.

    own_rate: the person's share missed so far. last_7_days: the share missed in the past week, drawn towards that of
    the past month. everyone: the published share, the same for all.
    """
    usual = data.rows[:, NAMES.index("usual_logit")]
    week = usual + sum(data.rows[:, NAMES.index(name)] for name in ("month_logit", "week_logit"))
    return {
        "own_rate": 1.0 / (1.0 + np.exp(-usual)),
        "last_7_days": 1.0 / (1.0 + np.exp(-week)),
        "everyone": np.full(len(usual), PRIOR_MISS),
    }
