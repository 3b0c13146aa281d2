"""How good a probability is: discrimination, calibration, and both at once. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compliance.adherence.histories import BoolArray, FloatArray

EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of predicted probabilities against what happened.

    auc: chance that a random missed dose had a higher risk than a random taken one (ties count half). brier: mean
    squared error. log_loss: mean negative log-likelihood, nats. ece: expected calibration error over ten equally
    filled bins. slope, intercept: of the logistic regression of outcome on logit(p); 1 and 0 when calibrated (Cox
    1958).
    """

    auc: float
    brier: float
    log_loss: float
    ece: float
    slope: float
    intercept: float


def auc(p: FloatArray, missed: BoolArray) -> float:
    """Return the area under the ROC curve from mid-ranks (Mann-Whitney)."""
    values, place, count = np.unique(p, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(count) - (count - 1) / 2.0
    ranks = mid_rank[place]
    positive, negative = int(missed.sum()), int((~missed).sum())
    del values
    return float((ranks[missed].sum() - positive * (positive + 1) / 2) / (positive * negative))


def ece(p: FloatArray, missed: BoolArray, bins: int = 10) -> float:
    """Return the mean gap between predicted and observed share over equally filled bins."""
    order = np.argsort(p, kind="stable")
    parts = zip(np.array_split(p[order], bins), np.array_split(missed[order], bins), strict=True)
    return float(sum(len(q) * abs(q.mean() - y.mean()) for q, y in parts if len(q)) / len(p))


def fit_line(logit: FloatArray, missed: BoolArray, steps: int = 25) -> tuple[float, float]:
    """Return slope and intercept of the logistic regression of `missed` on `logit` (Newton's method)."""
    x = np.column_stack([logit, np.ones_like(logit)])
    share = float(missed.mean())
    beta = np.array([0.0, np.log(share / (1.0 - share))])  # from the flat answer the steps never overshoot far
    for _ in range(steps):
        mean = 1.0 / (1.0 + np.exp(-(x @ beta)))
        weight = np.maximum(mean * (1.0 - mean), EPSILON)
        beta = beta + np.linalg.solve((x * weight[:, None]).T @ x, x.T @ (missed - mean))
    return float(beta[0]), float(beta[1])


def score(p: FloatArray, missed: BoolArray) -> Scores:
    """Score `p`: float64[n] in [0, 1] against `missed`: bool[n], which must hold both outcomes."""
    safe = np.clip(p, EPSILON, 1.0 - EPSILON)
    slope, intercept = fit_line(np.log(safe) - np.log1p(-safe), missed)
    return Scores(
        auc=auc(p, missed),
        brier=float(np.mean((p - missed) ** 2)),
        log_loss=float(-np.mean(np.where(missed, np.log(safe), np.log1p(-safe)))),
        ece=ece(p, missed),
        slope=slope,
        intercept=intercept,
    )
