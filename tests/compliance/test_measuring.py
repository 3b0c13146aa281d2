"""The runner that every benchmark and evaluation shares."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compliance.measuring import Absent, Report, run


def _measure(value: float) -> Any:
    def measure(report: Report, _options: Any) -> None:
        report.figure("frames_per_s", 1234)
        report.bar("ratio_to_null", value, ">=", 0.30)

    return measure


def test_exit_status_is_zero_when_every_bar_is_met(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", _measure(0.5), {"json": True, "quick": True}) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["figures"] == {"frames_per_s": 1234}
    assert printed["bars"] == [{"name": "ratio_to_null", "value": 0.5, "op": ">=", "bar": 0.3, "pass": True}]


def test_exit_status_is_one_when_a_bar_falls_short(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", _measure(0.1), {"json": False, "quick": False}) == 1
    assert "SHORT" in capsys.readouterr().out


def test_exit_status_is_two_and_names_what_is_absent(capsys: pytest.CaptureFixture[str]) -> None:
    def measure(_report: Report, _options: Any) -> None:
        raise Absent("PostgreSQL at DATABASE_URL")

    assert run("demo", measure, {"json": False, "quick": False}) == 2
    assert "PostgreSQL at DATABASE_URL" in capsys.readouterr().err


def test_a_value_that_is_not_a_number_never_passes() -> None:
    report = Report("demo")
    for op in (">=", "<=", ">", "<", "=="):
        report.bar(op, float("nan"), op, 1.0)
    assert not any(bar.passed for bar in report.bars)
