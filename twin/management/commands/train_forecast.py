"""`manage.py train_forecast`: make the weights of the glucose forecast again, from public data and a seed."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from twin.forecast import azt1d
from twin.forecast.model import SHIPPED, ForecastModel, Weights, parse
from twin.forecast.training import EACH, SEED, gather, train

SAME_MG_DL = 0.5  # processors round differently; a weight times an input must not differ by more
TYPICAL_MG_DL = 30.0


class Command(BaseCommand):
    """Train, and write or compare."""

    help = "Train the glucose forecast on AZT1D; write its weights, or compare them with the shipped ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--output", type=Path, default=SHIPPED)
        parser.add_argument("--check", action="store_true", help="write nothing; fail when the weights differ")

    def handle(self, *, output: Path, check: bool, **_: object) -> None:
        """Train and act on the result."""
        path = settings.DATA_DIR / azt1d.FILE
        if not path.is_file():
            raise CommandError(f"AZT1D's training part is needed at {path}; set MEDTWIN_DATA.")
        data = gather(azt1d.read(path))
        people = np.unique(data.person).size
        words = f"AZT1D (CC BY 4.0), {people} people, {data.person.size} moments, {EACH} each, seed {SEED}"
        model = train(data, words)
        if check:
            apart = difference_mg_dl(model, parse(output.read_text()))
            if apart > SAME_MG_DL:
                raise CommandError(f"Training gives other weights: a forecast would differ by {apart:.1f} mg/dL.")
            self.stdout.write(f"{words}: the shipped weights are reproduced to {apart:.2g} mg/dL.")
            return
        output.write_text(model.as_json())
        self.stdout.write(f"{words}; written to {output.name}.")


def difference_mg_dl(one: ForecastModel, other: ForecastModel) -> float:
    """Return by how much forecasts of typical inputs, or bands, differ at most, mg/dL."""

    def apart(a: Weights, b: Weights) -> float:
        inputs = np.array([1.0, *[TYPICAL_MG_DL] * (a.weights.shape[1] - 1)])
        bands = np.abs(np.array([a.low - b.low, a.high - b.high]))
        return max(float((np.abs(a.weights - b.weights) * inputs).max()), float(bands.max()))

    return max(apart(one.with_pump, other.with_pump), apart(one.sensor_alone, other.sensor_alone))
