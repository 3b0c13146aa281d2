"""Three weak sensors, one verified intake: what happened while the pillbox stood open, and how sure we are.

An episode runs from the lid's opening to its closing. Each hypothesis (nothing taken, one dose, two, several, refilled)
predicts what the hand sensor and the tray's weight would show; Bayes' rule weighs them. A sensor that said nothing adds
nothing, so a missing weight lowers the confidence instead of inventing an intake.

The likelihoods are design values for an infrared hand sensor and a kitchen-class load cell, not fitted to patients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

VERIFIED_AT = 0.8  # below this the finding is "unclear" and a person is asked
SEVERAL = 3
MOST_DOSES = 30  # a month's tray
SIGMA_WEIGHT_G = 0.02  # standard deviation of one weighing
SIGMA_CHANGE_G = math.sqrt(2) * SIGMA_WEIGHT_G  # a change is the difference of two weighings
SIGMA_TABLET = 0.03  # tablets differ by a few per cent: the pharmacopoeias accept 5 to 10 %
HAND_SEEN_IF_TOUCHED = 0.97
HAND_SEEN_IF_ONLY_OPENED = 0.5  # people who look often also reach
FLOOR = 1e-6  # no hypothesis is ever ruled out by the tails of a bell curve: sensors break


class Finding(StrEnum):
    """What happened while the lid was open."""

    TAKEN = "taken"
    DOUBLE = "double"  # two doses at once
    SEVERAL = "several"  # three or more: "pocket doses" taken along, or a spill
    OPENED = "opened"  # curiosity: looked, took nothing
    REFILLED = "refilled"
    UNCLEAR = "unclear"


# Before looking: most openings of a pillbox are for the dose (MEMS practice: an opening alone is taken for an intake).
PRIORS = {
    Finding.TAKEN: 0.70,
    Finding.OPENED: 0.20,
    Finding.DOUBLE: 0.03,
    Finding.SEVERAL: 0.02,
    Finding.REFILLED: 0.05,
}


@dataclass(frozen=True, slots=True)
class Episode:
    """One opening of the lid.

    opened_at, closed_at: device time, s since the Unix epoch. opened_seq: `seq` of the reading that opened it; with
    the device it names the episode for ever. hand: whether a hand was seen; None when the sensor was silent.
    weight_before_g, weight_after_g: tray weight around the episode; None where not measured.
    """

    opened_seq: int
    closed_seq: int
    opened_at: float
    closed_at: float
    hand: bool | None
    weight_before_g: float | None
    weight_after_g: float | None

    @property
    def weight_drop_g(self) -> float | None:
        """What left the tray, g."""
        if self.weight_before_g is None or self.weight_after_g is None:
            return None
        return self.weight_before_g - self.weight_after_g


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the three sensors say together; `confidence` is the posterior probability of the most likely hypothesis."""

    finding: Finding
    confidence: float


def _bell(x: float, mean: float, sigma: float) -> float:
    return math.exp(-0.5 * ((x - mean) / sigma) ** 2) / sigma + FLOOR


def _weight_likelihood(finding: Finding, drop_g: float, dose_g: float) -> float:
    match finding:
        case Finding.OPENED:
            return _bell(drop_g, 0.0, SIGMA_CHANGE_G)
        case Finding.TAKEN:
            return _bell(drop_g, dose_g, math.hypot(SIGMA_CHANGE_G, SIGMA_TABLET * dose_g))
        case Finding.DOUBLE:
            return _bell(drop_g, 2 * dose_g, math.hypot(SIGMA_CHANGE_G, SIGMA_TABLET * 2 * dose_g))
        case Finding.SEVERAL:
            doses = min(max(round(drop_g / dose_g), SEVERAL), MOST_DOSES)
            return _bell(drop_g, doses * dose_g, math.hypot(SIGMA_CHANGE_G, SIGMA_TABLET * doses * dose_g))
        case _:  # a refill adds at least most of a dose; how much, nobody knows
            return 1.0 / dose_g if drop_g < -0.8 * dose_g else FLOOR


def _hand_likelihood(finding: Finding, hand: bool) -> float:
    seen = HAND_SEEN_IF_ONLY_OPENED if finding is Finding.OPENED else HAND_SEEN_IF_TOUCHED
    return seen if hand else 1.0 - seen


def judge(episode: Episode, dose_g: float) -> Verdict:
    """Weigh the hypotheses for an episode in which a dose of `dose_g` grams was expected.

    Raises ValueError when `dose_g` is not positive.
    """
    if not dose_g > 0:
        raise ValueError("a dose weighs more than nothing")
    joint = dict(PRIORS)
    drop = episode.weight_drop_g
    for finding in joint:
        if episode.hand is not None:
            joint[finding] *= _hand_likelihood(finding, episode.hand)
        if drop is not None:
            joint[finding] *= _weight_likelihood(finding, drop, dose_g)
    best = max(joint, key=lambda finding: joint[finding])
    confidence = joint[best] / sum(joint.values())
    if confidence < VERIFIED_AT or _between(best, drop, dose_g):
        return Verdict(Finding.UNCLEAR, confidence)
    return Verdict(best, confidence)


def _between(best: Finding, drop_g: float | None, dose_g: float) -> bool:
    """Tell whether the weight fits no whole number of doses: half a tablet left, or a scale that drifts."""
    if drop_g is None or best in {Finding.REFILLED, Finding.SEVERAL}:
        return False
    doses = {Finding.OPENED: 0, Finding.TAKEN: 1, Finding.DOUBLE: 2}[best]
    return abs(drop_g - doses * dose_g) > max(3 * SIGMA_CHANGE_G, 0.25 * dose_g)
