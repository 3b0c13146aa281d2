"""The guard: a rule acts once, says what it saw, gives back by its own rule or by a person, and survives a kill."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devices.emulator.plant import Outcome
from devices.gateway.edge.rules import LowReservoir, SensorSilent, SevereLow
from devices.kinds.registry import by_key
from devices.protocol.facts import FactKind
from tests.devices.gateway.edge.conftest import CGM, DRIP, MINUTE, PUMP, Bedside

Make = Callable[..., Bedside]


def test_two_readings_below_54_stop_the_pump_once_and_say_why(bedside: Make) -> None:
    bed = bedside()
    bed.glucose(52)
    assert bed.pumps.commands == [], "one reading may be wrong"
    bed.glucose(50, 49, 48)
    assert bed.pumps.kinds == ["suspend"]
    (fact,) = bed.facts
    assert (fact.kind, fact.device_id, fact.cut_off) == (FactKind.ACTED, PUMP, True)
    assert fact.seen == "glucose 52 and 50 mg/dL, 2 readings in a row below 54"
    assert fact.done == "the insulin pump was stopped"
    assert fact.values["glucose_mg_dl"] == 50


def test_steep_fall_stops_the_pump_before_the_low(bedside: Make) -> None:
    bed = bedside()
    bed.glucose(120, 108, 97, 86, 75)
    assert bed.pumps.kinds == ["suspend"]
    assert "expected in 15 minutes" in bed.facts[0].seen


@pytest.mark.parametrize("course", [(180, 165, 150, 135, 120), (75, 74, 75, 74, 76), (90, 60, 88, 90, 91), (70, 66)])
def test_fall_from_high_up_a_steady_course_and_one_wrong_reading_stop_nothing(
    bedside: Make, course: tuple[float, ...]
) -> None:
    bed = bedside()
    bed.glucose(*course)
    assert bed.pumps.commands == []


def test_history_that_comes_late_stops_nothing(bedside: Make) -> None:
    bed = bedside()
    for _ in range(4):
        bed.see("glucose", 45, CGM, age_s=20 * MINUTE)
    assert bed.pumps.commands == []


def test_values_that_cannot_be_true_stop_nothing(bedside: Make) -> None:
    bed = bedside()
    bed.glucose(0, 0, float("nan"), -5, 5)
    assert bed.pumps.commands == []


def test_insulin_comes_back_when_glucose_has_recovered_and_not_on_one_reading(bedside: Make) -> None:
    bed = bedside()
    bed.glucose(50, 50, 81, 79, 82, 84)
    assert bed.pumps.kinds == ["suspend"]
    bed.glucose(86)
    bed.look()
    assert bed.pumps.kinds == ["suspend", "resume"]
    assert bed.told() == [("severe_low", "acted"), ("severe_low", "resumed"), ("severe_low", "over")]
    assert bed.guard.stops() == []


def test_insulin_comes_back_after_two_hours_at_the_latest(bedside: Make) -> None:
    bed = bedside()
    bed.glucose(50, 50)
    bed.wait(112)
    assert bed.pumps.kinds == ["suspend", "programmed_basal"], "the sensor fell silent too; the pump stays stopped"
    bed.wait(9)
    assert bed.pumps.kinds[-1] == "resume"
    assert "the longest that is safe" in bed.facts[-1].done


def test_second_low_after_a_recovery_is_a_new_reason(bedside: Make) -> None:
    bed = bedside()
    bed.glucose(50, 50, 90, 90, 90, 90)
    bed.glucose(50, 50)
    assert bed.pumps.kinds == ["suspend", "resume", "suspend"]
    assert len({command.name for command in bed.pumps.commands}) == 3


def test_person_can_give_the_insulin_back_and_it_is_not_stopped_again_for_the_same_low(bedside: Make) -> None:
    bed = bedside()
    bed.glucose(50, 50)
    bed.wait(2)
    assert bed.guard.resume(PUMP)
    bed.glucose(49, 48)
    assert bed.pumps.kinds == ["suspend", "resume"]
    assert "somebody at the gateway said so" in bed.facts[1].done
    assert not bed.guard.resume(PUMP), "it runs already"


def test_pump_that_does_not_answer_is_asked_again_under_the_same_name_and_said_so(bedside: Make) -> None:
    bed = bedside()
    bed.pumps.answer = Outcome(False, "no answer")
    bed.glucose(50, 50, every_min=0.1)
    assert bed.facts[0].kind is FactKind.ALARM
    assert bed.facts[0].done == "the pump was NOT stopped: no answer"
    bed.wait(1)
    bed.pumps.answer = Outcome(True)
    bed.wait(1)
    assert bed.pumps.kinds == ["suspend"] * 3
    assert len({command.name for command in bed.pumps.commands}) == 1
    assert bed.told()[-1] == ("severe_low", "acted")


def test_driver_that_breaks_does_not_end_the_watch(bedside: Make) -> None:
    bed = bedside()
    bed.pumps.answer = RuntimeError("radio")
    bed.glucose(50, 50)
    assert "NOT stopped: RuntimeError" in bed.facts[0].done
    bed.see("battery", 5, CGM)
    assert ("low_battery", "alarm") in bed.told()


def test_without_actuation_nothing_is_commanded_and_the_alarm_says_so(bedside: Make) -> None:
    bed = bedside(actuate=False)
    bed.glucose(50, 50)
    assert bed.pumps.commands == []
    assert bed.facts[0].kind is FactKind.ALARM
    assert bed.facts[0].done == "nothing: acting is not switched on at this gateway"


def test_restart_forgets_no_alarm_and_repeats_the_command_under_its_name(bedside: Make) -> None:
    bed = bedside()
    bed.glucose(50, 50)
    bed.start()
    bed.glucose(50, 50)
    assert bed.pumps.kinds == ["suspend", "suspend"]
    assert len({command.name for command in bed.pumps.commands}) == 1
    assert bed.told() == [("severe_low", "acted")]
    assert [alarm.rule for alarm in bed.guard.alarms()] == ["severe_low"]


def test_torn_journal_is_put_aside_and_the_watch_goes_on(bedside: Make) -> None:
    bed = bedside()
    bed.glucose(50, 50)
    (bed.path / "edge.json").write_bytes(b'{"next_num')
    bed.start()
    bed.glucose(50, 50)
    assert bed.pumps.kinds == ["suspend", "suspend"]
    assert (bed.path / "edge.broken").exists()


def test_lost_sensor_sends_the_pump_to_its_programmed_basal_once(bedside: Make) -> None:
    bed = bedside()
    bed.glucose(120)
    bed.wait(40)
    assert bed.pumps.kinds == ["programmed_basal"]
    bed.glucose(118)
    assert bed.told() == [("sensor_silent", "acted"), ("sensor_silent", "over")]


def test_pump_that_reports_an_occlusion_gives_a_local_alarm_until_it_is_over(bedside: Make) -> None:
    bed = bedside()
    bed.see("pump_alarm", 1, DRIP)
    assert bed.facts[0].seen == "the pump says: occlusion"
    bed.see("pump_alarm", 0, DRIP)
    assert bed.told() == [("pump_trouble", "alarm"), ("pump_trouble", "over")]
    (alarm,) = bed.guard.alarms()
    assert not alarm.settled, "nobody has seen it yet"
    assert bed.guard.acknowledge(alarm.number)
    assert alarm.settled


def deliver(bed: Bedside, per_min: float, minutes: int, *, bolus_u: float = 0.0) -> None:
    """Let the insulin pump, programmed for 1.2 U/h, deliver, and tell a bolus four minutes after it began."""
    total = 0.0
    for minute in range(minutes):
        total += per_min + (bolus_u / 4 if 20 <= minute < 24 else 0.0)
        bed.see("insulin_rate", 1.2, PUMP)
        bed.see("insulin_delivered", total, PUMP)
        if bolus_u and minute == 24:
            bed.see("insulin_bolus", bolus_u, PUMP)
        bed.now += MINUTE


@pytest.mark.parametrize(("per_min", "bolus_u", "alarms"), [(0.02, 0, 0), (0.02, 8, 0), (0.3, 0, 1)])
def test_more_insulin_than_rate_and_boluses_account_for_is_an_alarm(
    bedside: Make, per_min: float, bolus_u: float, alarms: int
) -> None:
    bed = bedside(rules=(SensorSilent(after_min=120),))
    deliver(bed, per_min, 60, bolus_u=bolus_u)
    assert bed.told() == [("over_infusion", "alarm")] * alarms


def test_over_infusion_is_over_when_a_person_says_so(bedside: Make) -> None:
    bed = bedside(rules=(SensorSilent(after_min=120),))
    deliver(bed, 0.3, 40)
    (alarm,) = bed.guard.alarms()
    bed.wait(60)
    assert alarm.over_at is None
    bed.guard.acknowledge(alarm.number)
    assert alarm.settled


def test_low_reservoir_and_battery_warn_once_around_their_limit(bedside: Make) -> None:
    bed = bedside(rules=(LowReservoir(below_u=20),))
    for left in (20.4, 19.8, 20.2, 19.6, 23.9):
        bed.see("insulin_reservoir", left, PUMP)
    assert bed.told() == [("low_reservoir", "alarm")]
    bed.see("insulin_reservoir", 180, PUMP)
    assert bed.told()[-1] == ("low_reservoir", "over")


def test_facts_say_whether_the_server_could_be_reached(bedside: Make) -> None:
    bed = bedside()
    bed.online = True
    bed.glucose(50, 50)
    bed.online = False
    bed.see("battery", 3, CGM)
    assert [fact.cut_off for fact in bed.facts] == [False, True]


def test_rule_of_the_configuration_replaces_the_built_in_one(bedside: Make) -> None:
    bed = bedside(rules=(SevereLow(below_mg_dl=65, in_a_row=1),))
    bed.see("glucose", 64, CGM)
    assert bed.pumps.kinds == ["suspend"]
    assert {type(rule).__name__ for rule in bed.guard.rules} >= {"SevereLow", "SensorSilent", "PumpTrouble"}
    assert by_key("glucose").unit == "mg/dL"
