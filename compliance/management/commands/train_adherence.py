"""`manage.py train_adherence`: make the weights of the risk model again, from nothing but code and a seed."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from compliance.adherence.risk import SHIPPED, parse
from compliance.adherence.training import TRAINING_PEOPLE, TRAINING_SEED, train


class Command(BaseCommand):
    """Train, and write or compare."""

    help = "Train the risk model on synthetic histories; write its weights, or compare them with the shipped ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--seed", type=int, default=TRAINING_SEED)
        parser.add_argument("--people", type=int, default=TRAINING_PEOPLE)
        parser.add_argument("--output", type=Path, default=SHIPPED)
        parser.add_argument("--check", action="store_true", help="write nothing; fail when the weights differ")

    def handle(self, *, seed: int, people: int, output: Path, check: bool, **_: object) -> None:
        """Train and act on the result."""
        model = train(seed, people)
        if check:
            text = output.read_text()
            if model.as_json() != text:
                raise CommandError(f"Training gives {model.version}, the file holds {parse(text).version}.")
            self.stdout.write(f"{model.version}: the shipped weights are reproduced.")
            return
        output.write_text(model.as_json())
        self.stdout.write(f"{model.version}: {model.trained_on}; written to {output.name}.")
