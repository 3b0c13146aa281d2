"""`manage.py evaluate_adherence`: how good the shipped risk model is on unseen synthetic people, with its bars."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand

from compliance.adherence.evaluation import measure
from compliance.adherence.risk import shipped
from compliance.measuring import Report, add_arguments, run


class Command(BaseCommand):
    """Evaluate and exit with the bars' status."""

    help = "Score the risk of missing the next dose on unseen synthetic people of two generators."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options that every measurement has."""
        add_arguments(parser)
        parser.add_argument("--boosting", action="store_true", help="also train the model that did not ship (slower)")

    def handle(self, **options: Any) -> None:
        """Measure, print, and exit."""
        raise SystemExit(run("Risk of missing the next dose", _measure, options))


def _measure(report: Report, options: Namespace) -> None:
    measure(report, shipped(), with_boosting=options.boosting)
