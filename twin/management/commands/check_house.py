"""`manage.py check_house`: on one screen, what is not in order here. Exit status 0, 1 or 2, as monitoring wants it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict

from django.core.management.base import BaseCommand

from twin.upkeep.everything import look_at_everything
from twin.upkeep.findings import Finding, Standing

MARKS = {Standing.WELL: "ok    ", Standing.LOOK: "LOOK  ", Standing.BROKEN: "BROKEN"}


class Command(BaseCommand):
    """Look at the house."""

    help = "Tell on one screen what is not in order. Exit status: 0 all well, 1 somebody should look, 2 broken."
    requires_system_checks: list[str] = []  # as Django declares it; must speak when little else does

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")
        parser.add_argument("--quiet", action="store_true", help="only what is not in order")

    def handle(self, *, as_json: bool, quiet: bool, **_: object) -> None:
        """Print, and end with the worst standing."""
        found = look_at_everything()
        worst = max(line.standing for line in found)
        shown = [line for line in found if line.standing or not quiet]
        if as_json:
            lines = [asdict(line) | {"standing": line.standing.name.lower()} for line in shown]
            self.stdout.write(json.dumps({"standing": worst.name.lower(), "findings": lines}, indent=1))
        else:
            for line in sorted(shown, key=lambda line: -line.standing):
                self.stdout.write(_line(line))
        if worst:
            sys.exit(int(worst))


def _line(line: Finding) -> str:
    advice = f"\n         -> {line.advice}" if line.advice else ""
    return f"{MARKS[line.standing]} {line.subject}: {line.said}{advice}"
