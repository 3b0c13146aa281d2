"""`python -m tests.reenact`: the attacks of the lab for a trainer, with what each does there and comes to here."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest

SUITE = Path(__file__).parent / "lab" / "test_attacks.py"
HEAD = ("attack", "where nothing stops it", "in the house")


class Findings:
    """What the suite found: attack -> where -> in words."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, str]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what one half of an attack came to."""
        said = dict(report.user_properties)
        if report.when == "call" and "attack" in said:
            found = str(said["found"]) if report.passed else "THE TEST FAILED"
            self.rows[str(said["attack"])][str(said["where"])] = found


def main() -> int:
    """Run the suite and print what it found."""
    findings = Findings()
    status = pytest.main(["-q", "--no-header", "--no-summary", str(SUITE), *sys.argv[1:]], plugins=[findings])
    table = [HEAD, *((name, row.get("there", ""), row.get("here", "")) for name, row in findings.rows.items())]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    print()
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
