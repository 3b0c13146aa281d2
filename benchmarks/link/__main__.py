"""`python -m benchmarks.link [--quick] [PART ...]`: what the device link costs a gateway, against its bars.

A part is a module beside this one with a `measure(report)`.
"""

from __future__ import annotations

import argparse
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

from compliance.measuring import Report, main

PARTS = sorted(found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]) if found.name != "__main__")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all that measure")


def _measure(report: Report, options: Any) -> None:
    for name in options.parts or PARTS:
        room = import_module(f"benchmarks.link.{name}")
        if hasattr(room, "measure"):
            room.measure(report)


if __name__ == "__main__":
    main("device link", _measure, _arguments)
