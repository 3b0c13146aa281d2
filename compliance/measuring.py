"""One way to measure: `python -m benchmarks.NAME` and `manage.py evaluate_NAME` print the same table or the same JSON.

Exit status 0: every bar met. 1: a bar fell short. 2: something needed is absent (it is named).
"""

from __future__ import annotations

import argparse
import json
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}


class Absent(Exception):
    """Something that the measurement needs is not here; the message names it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with the bound that it must keep."""

    name: str
    value: float
    op: str
    bar: float

    @property
    def passed(self) -> bool:
        """Tell whether the figure keeps the bound."""
        return OPERATORS[self.op](self.value, self.bar)


@dataclass(slots=True)
class Report:
    """Figures, bars and notes of one run."""

    title: str
    quick: bool = False
    figures: dict[str, float | int | str] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def figure(self, name: str, value: float | int | str) -> None:
        """Keep a figure; its unit ends the name (`ack_p99_ms`)."""
        self.figures[name] = value

    def bar(self, name: str, value: float, op: str, bar: float) -> None:
        """Keep a figure that must satisfy `value op bar`."""
        self.bars.append(Bar(name, float(value), op, float(bar)))

    def note(self, sentence: str) -> None:
        """Keep a sentence: data, split, seed, what could not be measured."""
        self.notes.append(sentence)

    @property
    def passed(self) -> bool:
        """Tell whether every bar is met."""
        return all(bar.passed for bar in self.bars)

    def as_json(self) -> str:
        """Return the machine's form."""
        bars = [{"name": b.name, "value": b.value, "op": b.op, "bar": b.bar, "pass": b.passed} for b in self.bars]
        return json.dumps({"figures": self.figures, "bars": bars, "notes": self.notes})

    def as_table(self) -> str:
        """Return the people's form."""
        width = max([len(name) for name in self.figures] + [len(bar.name) for bar in self.bars] + [10])
        lines = [self.title, "=" * len(self.title)]
        lines += [f"{name:<{width}}  {_shown(value)}" for name, value in self.figures.items()]
        if self.bars:
            lines += ["", f"{'bar':<{width}}  {'value':>12}  {'bound':>12}"]
            for b in self.bars:
                bound, verdict = f"{b.op} {_shown(b.bar)}", "pass" if b.passed else "SHORT"
                lines.append(f"{b.name:<{width}}  {_shown(b.value):>12}  {bound:>12}  {verdict}")
        return "\n".join([*lines, "", *self.notes] if self.notes else lines)


def _shown(value: float | int | str) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options every measurement has."""
    parser.add_argument("--json", action="store_true", help="print figures and bars as JSON")
    parser.add_argument("--quick", action="store_true", help="a shorter run, under a minute on two cores")


def run(title: str, measure: Callable[[Report, Any], None], options: argparse.Namespace | dict[str, Any]) -> int:
    """Measure, print, and return the exit status."""
    chosen = options if isinstance(options, argparse.Namespace) else argparse.Namespace(**options)
    report = Report(title, quick=bool(chosen.quick))
    try:
        measure(report, chosen)
    except Absent as missing:
        print(json.dumps({"absent": str(missing)}) if chosen.json else f"{title}: needs {missing}", file=sys.stderr)
        return 2
    print(report.as_json() if chosen.json else report.as_table())
    return 0 if report.passed else 1


def main(
    title: str,
    measure: Callable[[Report, Any], None],
    arguments: Callable[[argparse.ArgumentParser], None] | None = None,
) -> None:
    """Run a benchmark module from the command line and exit with its status."""
    parser = argparse.ArgumentParser(description=title)
    add_arguments(parser)
    if arguments:
        arguments(parser)
    raise SystemExit(run(title, measure, parser.parse_args()))
