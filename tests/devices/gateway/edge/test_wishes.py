"""What a server may wish of a gateway's rules: within the bounds that no configuration may leave, and never all off."""

from __future__ import annotations

import pytest

from devices.emulator.plant import Sample
from devices.gateway.edge.rules import SAFE, EdgeConfig, LowBattery, Pair, RuleRefused, SensorSilent, SevereLow
from devices.gateway.edge.wishes import NEVER_OFF, RULES, judge, rule_from, rules_for
from devices.kinds.registry import by_key
from devices.protocol.facts import SWITCHED_OFF, FactKind
from tests.devices.gateway.edge.conftest import CGM, DRIP, KINDS, MINUTE, PUMP

PAIRED = EdgeConfig(pairs=(Pair(CGM, PUMP),))


def test_every_rule_concerns_some_kind_of_device() -> None:
    assert {name for kind in KINDS.values() for name in rules_for(kind)} == set(RULES)


@pytest.mark.parametrize(
    ("name", "wish", "words"),
    [
        ("severe_low", {"below_mg_dl": 90.0}, "below_mg_dl is 90; safe is 40 to 70"),
        ("severe_low", {"below_mg_dl": float("nan")}, "safe is 40 to 70"),
        ("severe_low", {"longest_min": 600.0}, "longest_min is 600; safe is 15 to 240"),
        ("severe_low", {"in_a_row": 1.5}, "severe_low: Expected `int`"),
        ("severe_low", {"on": 1.0}, "on is true or false"),
        ("severe_low", {"on": False, "below_mg_dl": 90.0}, "safe is 40 to 70"),
        ("severe_low", {"colour": 1.0}, "severe_low has no bound colour"),
        ("give_more", {}, "give_more is no rule here"),
        ("sensor_silent", {}, "does not concern this kind"),
        ("over_infusion", {"on": False}, "never switched off"),
        ("severe_low", {"on": False}, "never switched off"),
        ("over_infusion", {"slack_u": 30.0}, "slack_u is 30; safe is 0.2 to 3"),
    ],
)
def test_what_is_unknown_or_out_of_bounds_is_refused_by_name(name: str, wish: dict[str, float], words: str) -> None:
    with pytest.raises(RuleRefused, match=words):
        rule_from(name, "insulin_pump", wish)


def test_what_is_wished_within_the_bounds_is_the_rule_and_off_is_none() -> None:
    assert rule_from("severe_low", "insulin_pump", {"on": True, "below_mg_dl": 60.0, "in_a_row": 3.0}) == SevereLow(
        below_mg_dl=60.0, in_a_row=3
    )
    assert rule_from("low_battery", "insulin_pump", {"on": False}) is None


def test_each_rule_of_the_device_is_answered_for() -> None:
    found = judge(PAIRED, KINDS, PUMP, {"severe_low": {"below_mg_dl": 60.0}, "over_infusion": {"on": False}, "x": {}})
    assert set(found) == {*rules_for("insulin_pump"), "x"}
    assert found["severe_low"].rule == SevereLow(below_mg_dl=60.0)
    assert found["low_battery"] == (LowBattery(), False, "")
    assert "never switched off" in found["over_infusion"].refused
    assert found["over_infusion"].rule is not None  # what is refused leaves what ran
    assert "no rule here" in found["x"].refused


def test_a_rule_of_a_pair_is_not_followed_where_the_configuration_names_none() -> None:
    found = judge(EdgeConfig(), KINDS, PUMP, {"severe_low": {}})
    assert (found["severe_low"].rule, "no pair" in found["severe_low"].refused) == (None, True)
    asleep = judge(EdgeConfig(watch=False), KINDS, DRIP, {"low_battery": {}})
    assert (asleep["low_battery"].rule, "does not watch" in asleep["low_battery"].refused) == (None, True)


def test_the_pump_is_stopped_by_the_bound_that_is_wished(bedside) -> None:
    bed = bedside()
    bed.guard.wished = lambda device: (
        {"severe_low": SevereLow(below_mg_dl=65.0, ahead_min=0.0)} if device == PUMP else {}
    )
    bed.glucose(63.0, 63.0)
    assert bed.pumps.kinds == ["suspend"]


def test_a_rule_that_is_off_stops_nothing_and_a_stopped_pump_runs_again(bedside) -> None:
    bed = bedside()
    bed.glucose(50.0, 50.0)
    assert bed.pumps.kinds == ["suspend"]
    bed.guard.wished = lambda _device: {"severe_low": None}
    bed.glucose(90.0, 90.0, 90.0)  # what was stopped is given back all the same
    assert bed.pumps.kinds == ["suspend", "resume"]
    bed.glucose(50.0, 50.0, 50.0)
    assert bed.pumps.kinds == ["suspend", "resume"]


def test_switching_a_local_alarm_off_ends_the_one_that_is_open(bedside) -> None:
    bed = bedside()
    bed.see("battery", 10.0, DRIP)
    assert [alarm.rule for alarm in bed.guard.alarms() if alarm.over_at is None] == ["low_battery"]
    bed.guard.wished = lambda device: {"low_battery": None} if device == DRIP else {}
    bed.see("battery", 9.0, DRIP)
    assert [alarm.rule for alarm in bed.guard.alarms() if alarm.over_at is None] == []
    bed.see("battery", 9.0, PUMP)  # another device's goes on
    assert [alarm.rule for alarm in bed.guard.alarms() if alarm.over_at is None] == ["low_battery"]


@pytest.mark.parametrize(("rule", "device"), [("low_battery", DRIP), ("low_reservoir", PUMP), ("sensor_silent", CGM)])
def test_an_alarm_whose_rule_is_switched_off_is_no_recovery(bedside, rule: str, device: int) -> None:
    bed = bedside()
    bed.glucose(100.0)
    bed.wait(30)
    bed.see("battery", 10.0, DRIP)
    bed.see("insulin_reservoir", 5.0, PUMP)
    assert rule in [alarm.rule for alarm in bed.guard.alarms() if alarm.over_at is None]
    bed.guard.wished = lambda which: {rule: None} if which == device else {}
    bed.look()
    told = next(fact for fact in bed.facts if (fact.rule, fact.kind) == (rule, FactKind.OVER))
    assert told.done == "the rule was switched off; whether it is over was not measured"
    assert told.values == {SWITCHED_OFF: 1.0}
    again = bed.start()  # it stands on the disk so
    (alarm,) = [one for one in again.alarms() if one.rule == rule]
    assert (alarm.over_at, alarm.switched_off) == (bed.now, True)


def test_what_a_rule_saw_end_is_over_and_not_switched_off(bedside) -> None:
    bed = bedside()
    bed.see("battery", 10.0, DRIP)
    bed.see("battery", 90.0, DRIP)
    told = next(fact for fact in bed.facts if fact.kind is FactKind.OVER)
    assert (told.done, told.values) == ("it is over", {})
    assert [alarm.switched_off for alarm in bed.guard.alarms()] == [False]


def test_a_rule_that_looks_back_further_is_remembered_for(bedside) -> None:
    bed = bedside()
    bed.guard.wished = lambda device: {"sensor_silent": SensorSilent(after_min=120.0)} if device == CGM else {}
    bed.look([Sample(CGM, by_key("glucose").code, bed.now, 100.0)])
    bed.now += 100 * MINUTE
    bed.look()
    assert "sensor_silent" not in [alarm.rule for alarm in bed.guard.alarms()]
    bed.now += 25 * MINUTE
    bed.look()
    assert "sensor_silent" in [alarm.rule for alarm in bed.guard.alarms()]


def test_only_what_tells_of_harm_cannot_be_switched_off() -> None:
    kind_of = {name: next(kind for kind in KINDS.values() if name in rules_for(kind)) for name in RULES}
    fixed = set()
    for name in RULES:
        try:
            assert rule_from(name, kind_of[name], {"on": False}) is None
        except RuleRefused:
            fixed.add(name)
    assert fixed == NEVER_OFF == {"severe_low", "pump_trouble", "over_infusion"}
    assert len(SAFE) == len(RULES)
