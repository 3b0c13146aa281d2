"""Measure the shipped risk model on people that it never saw, from its own generator and from the other one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from compliance.adherence import generator_motivation, generator_phases
from compliance.adherence.histories import FloatArray, Person
from compliance.adherence.risk import RiskModel
from compliance.adherence.scores import Scores, auc, score
from compliance.adherence.training import Table, boosted, rivals, table
from compliance.measuring import Report

GENERATORS: dict[str, Callable[[int, int], Sequence[Person]]] = {
    "a": lambda seed, people: generator_phases.cohort(seed, people),
    "b": lambda seed, people: generator_motivation.cohort(seed, people),
}
SEEDS = (9_001, 9_002, 9_003)  # disjoint from the training seed: other people
PEOPLE = 800
RESAMPLES = 200
NOTES = (
    "Synthetic people only, none of them among the training people (split by person: other seeds).",
    "Scored: doses while engaged, from day 14 on. Generator A (phases) also made the training people;",
    "generator B (motivation) is specified otherwise.",
)


def _mean(scores: Sequence[Scores]) -> dict[str, float]:
    names = asdict(scores[0])
    return {name: float(np.mean([asdict(entry)[name] for entry in scores])) for name in names}


def brier_gain(p: FloatArray, rival: FloatArray, data: Table, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the 95 % interval of the rival's Brier score minus the model's, resampling people, not doses."""
    per_dose = (rival - data.missed) ** 2 - (p - data.missed) ** 2
    total, count = np.bincount(data.person, per_dose), np.bincount(data.person)
    rng = np.random.default_rng(0)
    chosen = rng.integers(len(count), size=(resamples, len(count)))
    gains = total[chosen].sum(axis=1) / count[chosen].sum(axis=1)
    low, high = np.quantile(gains, [0.025, 0.975])
    return float(low), float(high)


def _cohorts(name: str, people: int, seeds: Sequence[int]) -> list[Table]:
    return [table(GENERATORS[name](seed, people)) for seed in seeds]


def measure(report: Report, model: RiskModel, *, with_boosting: bool = False) -> None:
    """Fill the report: every score of the model and of its rivals, and the bars that decide whether it may be shown.

    `with_boosting` also trains the model that did not ship, and tells its AUC on the first seed.
    """
    seeds, people = (SEEDS[:1], PEOPLE // 2) if report.quick else (SEEDS, PEOPLE)
    report.figure("model", model.version)
    report.figure("seeds", ", ".join(str(seed) for seed in seeds))
    report.figure("people_per_seed", people)
    for name in GENERATORS:
        tables = _cohorts(name, people, seeds)
        _measure_generator(report, model, name, tables)
        if with_boosting:
            report.figure(f"{name}_boosting_auc", auc(boosted(tables[0]), tables[0].missed))
            report.figure(f"{name}_auc_first_seed", auc(model.probability(tables[0].rows), tables[0].missed))
    for sentence in NOTES:
        report.note(sentence)
    report.note(f"Trained on: {model.trained_on}.")


def _measure_generator(report: Report, model: RiskModel, name: str, tables: Sequence[Table]) -> None:
    chances = [model.probability(data.rows) for data in tables]
    own = _mean([score(p, data.missed) for p, data in zip(chances, tables, strict=True)])
    report.figure(f"{name}_doses", sum(len(data.missed) for data in tables))
    report.figure(f"{name}_missed_share", float(np.mean(np.concatenate([data.missed for data in tables]))))
    for key, value in own.items():
        report.figure(f"{name}_{key}", value)
    for rival in ("own_rate", "last_7_days"):
        said = [rivals(data)[rival] for data in tables]
        theirs = _mean([score(p, data.missed) for p, data in zip(said, tables, strict=True)])
        for key in ("auc", "brier", "log_loss"):
            report.figure(f"{name}_{rival}_{key}", theirs[key])
        report.bar(f"{name}_auc_over_{rival}", own["auc"] - theirs["auc"], ">", 0.0)
        report.bar(f"{name}_brier_under_{rival}", theirs["brier"] - own["brier"], ">", 0.0)
        report.bar(f"{name}_log_loss_under_{rival}", theirs["log_loss"] - own["log_loss"], ">", 0.0)
        low, high = brier_gain(chances[0], said[0], tables[0])
        report.figure(f"{name}_brier_gain_over_{rival}_95", f"{low:.5f} to {high:.5f}")
    everyone = _mean([score(rivals(data)["everyone"], data.missed) for data in tables])
    report.figure(f"{name}_everyone_brier", everyone["brier"])
    # Calibration: tight where the model was trained, wider on a world it does not know.
    report.bar(f"{name}_ece", own["ece"], "<=", 0.01 if name == "a" else 0.03)
    report.bar(f"{name}_slope_low", own["slope"], ">=", 0.9 if name == "a" else 0.8)
    report.bar(f"{name}_slope_high", own["slope"], "<=", 1.1 if name == "a" else 1.25)
