"""Rules of a configuration: what is safe is taken, what is not is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from devices.gateway.config import ConfigRefused, load
from devices.gateway.edge.rules import SAFE, EdgeConfig, RuleRefused, SevereLow

Write = Callable[..., Path]


def test_built_in_rules_are_within_their_own_bounds() -> None:
    for rule in SAFE:
        rule.check()
    assert EdgeConfig().actuate is False
    assert EdgeConfig().all_rules() == SAFE


def test_rules_are_read_from_the_configuration(write_config: Write) -> None:
    described = {
        "actuate": False,
        "pairs": [{"cgm": 7, "pump": 8}],
        "rules": [{"rule": "severe_low", "below_mg_dl": 60, "ahead_min": 0}],
    }
    edge = load(write_config(edge=described)).edge
    assert edge.all_rules()[0] == SevereLow(below_mg_dl=60, ahead_min=0)
    assert edge.all_rules()[1:] == SAFE[1:]


@pytest.mark.parametrize(
    ("edge", "words"),
    [
        ({"rules": [{"rule": "severe_low", "below_mg_dl": 90}]}, "below_mg_dl is 90; safe is 40 to 70"),
        ({"rules": [{"rule": "severe_low", "longest_min": 600}]}, "longest_min is 600"),
        ({"rules": [{"rule": "severe_low", "resume_at_mg_dl": 55}]}, "resume_at_mg_dl"),
        ({"rules": [{"rule": "sensor_silent", "after_min": 0}]}, "after_min"),
        ({"rules": [{"rule": "over_infusion", "tolerance": 5}]}, "tolerance"),
        ({"rules": [{"rule": "low_battery", "below_percent": 0}]}, "below_percent"),
        ({"rules": [{"rule": "low_reservoir", "below_u": 900}]}, "below_u"),
        ({"rules": [{"rule": "pump_trouble"}, {"rule": "pump_trouble"}]}, "twice"),
        ({"pairs": [{"cgm": 7, "pump": 99}]}, "does not have"),
        ({"pairs": [{"cgm": 7, "pump": 8}, {"cgm": 8, "pump": 7}]}, "whose is it"),
    ],
)
def test_unsafe_rule_is_refused_with_the_bounds(write_config: Write, edge: dict[str, object], words: str) -> None:
    with pytest.raises(RuleRefused, match=words):
        load(write_config(edge=edge))


def test_unknown_rule_and_field_are_refused(write_config: Write) -> None:
    for rule in ({"rule": "close_the_loop"}, {"rule": "severe_low", "give_bolus_u": 2}):
        with pytest.raises(ConfigRefused):
            load(write_config(edge={"rules": [rule]}))
    assert json.loads(write_config().read_text())["gateway_id"] == 3
