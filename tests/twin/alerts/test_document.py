"""docs/alerts.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.kinds.registry import by_key
from twin.alerts.defaults import DEFAULT_LIMITS
from twin.alerts.limits import Side

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "alerts.md").read_text()
SIGNS = {Side.LOW: "<", Side.HIGH: ">", Side.EQUAL: "="}


@pytest.mark.parametrize("limit", DEFAULT_LIMITS, ids=lambda limit: f"{limit.rule}-{limit.priority}")
def test_the_table_of_limits_is_the_one_in_force(limit):
    measurement = by_key(limit.metric)
    condition = f"{measurement.label} {SIGNS[limit.side]} {limit.bound:g} {measurement.unit_label}".rstrip()
    cells = f"{limit.priority} | {limit.delay_s:g} | {limit.hysteresis:g} | {limit.source}"
    assert f"| `{limit.rule}` | {condition} | {cells} |" in TEXT


def test_the_table_has_nothing_else():
    assert TEXT.count("\n| `") == len(DEFAULT_LIMITS)
