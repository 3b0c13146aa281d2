"""The pure rules: limits, episodes, watch, silence, ladder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.policy import Role
from devices.kinds.registry import KINDS, Form, by_key
from devices.telemetry.batch import READING
from twin.alerts.defaults import DEFAULT_LIMITS
from twin.alerts.episode import Change, Episode, advance
from twin.alerts.escalation import LADDER, due_roles
from twin.alerts.limits import Limit, LimitKey, Setting, Side, with_settings
from twin.alerts.priority import Priority
from twin.alerts.rulebook import build
from twin.alerts.silence import Watched, find_missing
from twin.alerts.watch import Known, Watch
from twin.alerts.wording import describe

GLUCOSE = tuple(limit for limit in DEFAULT_LIMITS if limit.metric == "glucose")
SPO2 = tuple(limit for limit in DEFAULT_LIMITS if limit.metric == "spo2")
T0 = 1_800_000_000.0


def book_for(*devices: int, limits=DEFAULT_LIMITS, personal=None):
    return build(
        patients={device: f"patient of {device}" for device in devices},
        house=limits,
        personal=personal or {},
        code_of=lambda key: by_key(key).code,
        news_s_of=lambda _: 120.0,
    )


def readings(*rows: tuple[int, str, float, float]) -> np.ndarray:
    made = np.zeros(len(rows), READING)
    for i, (device, metric, t, value) in enumerate(rows):
        made[i] = (device, by_key(metric).code, i, t, value)
    return made


def run(watch: Watch, *rows: tuple[int, str, float, float], received_at: float):
    judgement = watch.judge(readings(*rows), received_at)
    watch.settle(judgement)
    return judgement


def walk(limits, series):
    episode, changes = Episode(), []
    for t, value in series:
        episode, findings = advance(episode, limits, t, value)
        changes += [(finding.change, finding.limit.priority) for finding in findings]
    return episode, changes


# --- Limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", DEFAULT_LIMITS, ids=lambda limit: f"{limit.rule}-{limit.priority}")
def test_default_limit_has_a_source_and_lies_inside_the_physical_range(limit):
    measurement = by_key(limit.metric)
    assert limit.source
    assert measurement.low <= limit.bound <= measurement.high
    assert limit.delay_s >= 0 <= limit.hysteresis


def test_default_levels_are_named_once():
    settable = [limit.key for limit in DEFAULT_LIMITS if limit.side is not Side.EQUAL]
    assert len(settable) == len(set(settable))


def test_every_pump_alarm_value_has_a_rule():
    named = {limit.bound for limit in DEFAULT_LIMITS if limit.metric == "pump_alarm"}
    assert named == set(by_key("pump_alarm").values) - {0}


@given(st.sampled_from(DEFAULT_LIMITS), st.floats(-1e4, 1e4))
def test_no_value_violates_and_clears_the_same_limit(limit, value):
    assert not (limit.violated_by(value) and limit.cleared_by(value))


def test_own_setting_goes_before_the_house_and_leaves_the_rest():
    key = LimitKey("glucose", Side.LOW, Priority.MEDIUM)
    changed = with_settings(GLUCOSE, [Setting(key, 80, 0)], [Setting(key, 75, 60)])
    assert [(limit.bound, limit.delay_s) for limit in changed if limit.key == key] == [(75, 60)]
    assert [limit for limit in changed if limit.key != key] == [limit for limit in GLUCOSE if limit.key != key]


def test_sentence_names_value_unit_and_bound():
    assert describe(GLUCOSE[0], 48.2, "mg/dL", 0) == "Glucose 48 mg/dL, below 54"
    pump = next(limit for limit in DEFAULT_LIMITS if limit.rule == "pump_occlusion")
    assert describe(pump, 1, "", 0) == "Pump line is blocked"


# --- Episodes --------------------------------------------------------------------------------------------------------


def test_condition_counts_only_after_its_delay():
    _, early = walk(SPO2, [(0, 89), (9, 89)])
    _, due = walk(SPO2, [(0, 89), (9, 89), (10, 89)])
    assert early == []
    assert due == [(Change.RAISED, Priority.HIGH)]


def test_break_starts_the_delay_again():
    _, changes = walk(SPO2, [(0, 89), (5, 95), (12, 89), (21, 89)])
    assert changes == []


def test_priority_rises_and_never_falls_while_the_alert_lasts():
    episode, changes = walk(GLUCOSE, [(0, 65), (300, 50), (600, 65)])
    assert changes == [
        (Change.RAISED, Priority.MEDIUM),
        (Change.WORSENED, Priority.HIGH),
        (Change.LASTING, Priority.MEDIUM),
    ]
    assert episode.raised == {"glucose_low": Priority.HIGH}


@given(st.lists(st.tuples(st.floats(0.1, 2000), st.floats(20, 500)), max_size=40))
def test_raising_and_ending_alternate(steps):
    t, episode, open_rules = 0.0, Episode(), set()
    for dt, value in steps:
        t += dt
        episode, findings = advance(episode, GLUCOSE, t, value)
        for finding in findings:
            rule = finding.limit.rule
            assert (finding.change is Change.RAISED) == (rule not in open_rules)
            if finding.change is Change.CLEARED:
                assert all(limit.cleared_by(value) for limit in GLUCOSE if limit.rule == rule)
                open_rules.discard(rule)
            else:
                assert finding.limit.violated_by(value)
                open_rules.add(rule)
    assert set(episode.raised) == open_rules


@given(st.floats(95, 240))
def test_calm_value_leaves_nothing_to_remember(value):
    assert advance(Episode(), GLUCOSE, 0.0, value)[0].quiet


# --- The watch over whole groups -------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.sampled_from(["glucose", "spo2", "heart_rate"]),
            st.integers(0, 100),
            st.floats(20, 300, width=32),
        ),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 59),
)
def test_vectorised_watch_agrees_with_one_reading_at_a_time(rows, cut):
    """Without late readings the groups in which readings come make no difference."""
    ordered = sorted(((d, m, T0 + t, v) for d, m, t, v in rows), key=lambda row: row[2])
    whole, single = Watch(book_for(1, 2, 3)), Watch(book_for(1, 2, 3))
    changes = {Change.RAISED, Change.WORSENED, Change.CLEARED}

    def seen(groups, watch):
        found = []
        for group in groups:
            if group:
                found += run(watch, *group, received_at=group[-1][2] + 1).current
        return sorted(
            (f.device, f.finding.limit.rule, f.finding.t, f.finding.change)
            for f in found
            if f.finding.change in changes
        )

    assert seen([ordered[:cut], ordered[cut:]], whole) == seen([[row] for row in ordered], single)


def test_judging_changes_nothing_until_it_is_settled():
    watch = Watch(book_for(1))
    group = readings((1, "glucose", T0, 50.0))
    first = watch.judge(group, T0)
    assert [found.finding.change for found in watch.judge(group, T0).current] == [Change.RAISED]
    watch.settle(first)
    assert [found.finding.change for found in watch.judge(group, T0).current] == [Change.LASTING]


def test_older_than_the_newest_is_late_and_never_current():
    watch = Watch(book_for(1))
    run(watch, (1, "glucose", T0, 100.0), received_at=T0)
    judgement = run(watch, (1, "glucose", T0 - 1, 50.0), received_at=T0 + 1)
    assert not judgement.current
    assert [found.finding.limit.rule for found in judgement.late] == ["glucose_low"]


def test_newest_time_comes_back_from_the_store_after_a_restart():
    watch = Watch(book_for(1))
    watch.learn([Known(1, by_key("glucose").code, T0, T0 + 1)])
    assert not run(watch, (1, "glucose", T0 - 300, 50.0), received_at=T0 + 2).current


def test_slow_clock_does_not_silence_a_device():
    watch = Watch(book_for(1))
    offset = 500.0
    run(watch, (1, "glucose", T0 - offset, 100.0), received_at=T0)
    judgement = run(watch, (1, "glucose", T0 + 300 - offset, 50.0), received_at=T0 + 300)
    assert [found.finding.change for found in judgement.current] == [Change.RAISED]


def test_history_that_a_new_device_brings_along_does_not_alarm():
    watch = Watch(book_for(1))
    hours = [run(watch, (1, "glucose", T0 + t, 50.0), received_at=T0 + 10_800 + t / 300) for t in range(0, 9000, 300)]
    assert not any(judgement.current for judgement in hours)
    assert sum(len(judgement.late) for judgement in hours) == 1
    assert run(watch, (1, "glucose", T0 + 10_800, 50.0), received_at=T0 + 10_840).current


def test_clock_set_back_alarms_again_after_minutes():
    watch = Watch(book_for(1))
    run(watch, (1, "heart_rate", T0, 80.0), received_at=T0)
    heard = [
        t for t in range(1, 3600) if run(watch, (1, "heart_rate", T0 + t - 600, 180.0), received_at=T0 + t).current
    ]
    assert heard
    assert heard[0] < 1200


def test_unknown_and_unlimited_readings_are_passed_over():
    judgement = run(Watch(book_for(1)), (7, "glucose", T0, 20.0), (1, "tray_weight", T0, 9.0), received_at=T0)
    assert not judgement.current


def test_own_limits_hold_for_one_patient_only():
    own = with_settings(DEFAULT_LIMITS, [Setting(LimitKey("glucose", Side.LOW, Priority.MEDIUM), 90, 0)])
    watch = Watch(book_for(1, 2, personal={"patient of 2": own}))
    judgement = run(watch, (1, "glucose", T0, 85.0), (2, "glucose", T0, 85.0), received_at=T0)
    assert [found.device for found in judgement.current] == [2]


def test_new_rules_keep_what_is_under_way():
    watch = Watch(book_for(1, 3))
    run(watch, (3, "glucose", T0, 50.0), received_at=T0)
    wider = watch.under(book_for(1, 2, 3))
    judgement = run(wider, (3, "glucose", T0 + 300, 120.0), received_at=T0 + 300)
    assert [(found.device, found.finding.change) for found in judgement.current] == [(3, Change.CLEARED)]


def test_alert_of_a_device_that_left_is_not_followed():
    watch = Watch(book_for(1, 3))
    run(watch, (3, "glucose", T0, 50.0), received_at=T0)
    assert not run(watch.under(book_for(1)), (3, "glucose", T0 + 1, 120.0), received_at=T0 + 1).current


# --- Silence ---------------------------------------------------------------------------------------------------------


def monitor(newest, device=1, gateway=9):
    periods = {m.key: m.period_s for m in KINDS["vital_signs_monitor"].measurements if m.kind is Form.SCALAR}
    return Watched(device, "Monitor", "Ada", gateway, "Gateway 9", periods, newest)


def missing(*devices, gateway_seen=None, now=T0):
    found = find_missing(devices, {9: now} if gateway_seen is None else gateway_seen, now, {"spo2": "SpO2"})
    return {(entry.device, entry.rule) for entry in found}


def test_metric_that_stopped_is_stale_while_the_device_speaks():
    newest = {"heart_rate": T0 - 1, "spo2": T0 - 600}
    assert missing(monitor(newest)) == {(1, "stale_spo2")}


def test_silent_device_is_one_alert():
    assert missing(monitor({"heart_rate": T0 - 600, "spo2": T0 - 600})) == {(1, "device_lost")}


def test_lost_gateway_speaks_for_all_its_devices():
    newest = {"heart_rate": T0 - 600}
    devices = [monitor(newest, 1), monitor(newest, 2)]
    assert missing(*devices, gateway_seen={9: T0 - 600}) == {(None, "gateway_lost:9")}


def test_gateway_with_slow_devices_only_may_be_quiet():
    cgm = Watched(1, "CGM", "Ada", 9, "Gateway 9", {"glucose": 300.0}, {"glucose": T0 - 290})
    assert missing(cgm, gateway_seen={9: T0 - 290}) == set()
    assert missing(cgm, gateway_seen={9: T0 - 1000}) == {(None, "gateway_lost:9")}


def test_what_has_never_come_is_not_missed():
    assert missing(monitor({})) == set()


def test_slow_metric_may_take_its_time():
    cgm = Watched(1, "CGM", "Ada", 9, "Gateway 9", {"glucose": 300.0}, {"glucose": T0 - 600})
    assert missing(cgm) == set()


# --- Ladder ----------------------------------------------------------------------------------------------------------


def test_ladder_climbs_with_time_and_urgency():
    assert due_roles(Priority.HIGH, 59) == frozenset()
    assert due_roles(Priority.HIGH, 60) == {Role.PHYSICIAN}
    assert due_roles(Priority.HIGH, 200) == {Role.PHYSICIAN, Role.ADMINISTRATOR}
    assert due_roles(Priority.MEDIUM, 60) == frozenset()
    assert set(LADDER) == set(Priority)


def test_priorities_sort_by_urgency():
    assert sorted(Priority, key=lambda priority: priority.rank) == [Priority.HIGH, Priority.MEDIUM, Priority.LOW]
    assert Priority.HIGH.outranks(Priority.LOW)
    assert not Priority.LOW.outranks(Priority.LOW)


def test_limit_without_hysteresis_clears_at_its_bound():
    limit = Limit("x_high", "glucose", Side.HIGH, 10, Priority.LOW, "X")
    assert limit.cleared_by(10)
    assert not limit.violated_by(10)
