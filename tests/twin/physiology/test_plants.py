"""The emulated ward: what its devices report, how it restarts, and that one thing leads to another."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from devices.emulator.plant import Block
from devices.kinds.registry import KINDS, by_code
from twin.physiology.plants import build

START = 1_790_157_600.0  # 12:00 in Berlin
KINDS_WORN = ("cgm", "insulin_pump", "infusion_pump", "vital_signs_monitor", "smart_pillbox")


PUMP_ONLY = {"devices": {"cgm": 1, "insulin_pump": 2}}  # an ECG costs more than all the rest
BOX_ONLY = {"devices": {"smart_pillbox": 5}}


def options(*patients, **more):
    described = []
    for index, changed in enumerate(patients):
        devices = {kind: 10 * index + at + 1 for at, kind in enumerate(KINDS_WORN)}
        described.append(
            {
                "seed": 100 + index,
                "devices": devices,
                "weight_kg": 70.0,
                "conditions": ["type_1_diabetes"],
                "time_zone": "Europe/Berlin",
                **changed,
            }
        )
    return {"patients": described, "scanners": [99], **more}


def plant(*patients, **more):
    chosen = options(*(patients or ({},)), **more)
    devices = [{"device_id": d, "kind": k} for p in chosen["patients"] for k, d in p["devices"].items()]
    return build([*devices, {"device_id": 99, "kind": "mr_scanner"}], chosen)


def run(ward, seconds, start=START, every=1.0):
    measured = []
    for step in range(int(seconds / every) + 1):
        measured.extend(ward.advance(start + step * every))
    return measured


def by_key(measured, device=None):
    found = defaultdict(list)
    for one in measured:
        if not isinstance(one, Block) and device in (None, one.device_id):
            found[by_code(one.metric_code).key].append((one.t - START, one.value))
    return {key: np.array(rows) for key, rows in found.items()}


def test_every_reading_fits_its_kind_and_comes_in_order():
    kind_of = {10 * index + at + 1: k for index in range(2) for at, k in enumerate(KINDS_WORN)} | {99: "mr_scanner"}
    measured = run(plant({}, {"conditions": ["copd"]}, backfill_s=3600.0), 120.0)
    for one in measured:
        assert KINDS[kind_of[one.device_id]].measures(one.metric_code)
        if not isinstance(one, Block):
            assert by_code(one.metric_code).permits(one.value)


def test_each_call_tells_what_happened_since_the_last_and_nothing_twice():
    ward, seen, last = plant(), set(), START - 1.0
    for step in range(90):
        now = START + step
        for one in ward.advance(now):
            at = one.t0 if isinstance(one, Block) else one.t
            assert last - 1.0 < at <= now
            key = (one.device_id, one.metric_code, at)
            assert key not in seen
            seen.add(key)
        last = now


def test_a_restarted_emulator_goes_on_with_the_same_numbers():
    whole = by_key(run(plant(), 600.0))
    later = by_key(run(plant(), 300.0, start=START + 300.0))
    for key in ("glucose", "heart_rate", "spo2", "insulin_delivered", "tray_weight"):
        tail = whole[key][whole[key][:, 0] > 301.0]
        same = later[key][later[key][:, 0] > 301.0]
        assert same[:, 0] == pytest.approx(tail[:, 0])
        assert np.abs(same[:, 1] - tail[:, 1]).max() <= {"glucose": 1.0, "insulin_delivered": 0.02}.get(key, 1e-9)


def test_a_gap_arrives_thinned_with_its_true_times(tmp_path):
    mark = tmp_path / "mark"
    run(plant(mark_file=str(mark)), 60.0)
    back = by_key(plant(mark_file=str(mark), backfill_s=10_800.0).advance(START + 7200.0))
    times = back["heart_rate"][:, 0]
    assert times.min() > 20.0
    assert times.max() <= 7200.0
    assert np.diff(times)[:-1] == pytest.approx(60.0)


def test_at_most_the_agreed_history_is_told(tmp_path):
    first = by_key(plant(backfill_s=3600.0).advance(START))
    assert first["glucose"][:, 0].min() > -3600.0
    assert len(first["glucose"]) == 12
    assert "heart_rate" not in by_key(plant().advance(START)) or len(by_key(plant().advance(START))["heart_rate"]) <= 1


def test_the_ecg_comes_in_blocks_of_half_a_second_without_a_gap():
    blocks = [one for one in run(plant(), 20.0) if isinstance(one, Block)]
    assert {block.samples.size for block in blocks} == {125}
    assert np.diff([block.t0 for block in blocks]) == pytest.approx(0.5)


def test_a_blocked_insulin_line_stops_the_counter_and_raises_glucose():
    blocked = {"kind": "occlusion", "at": START + 60.0, "duration_s": 7200.0}
    with_it, without = (by_key(run(plant({"episodes": e, **PUMP_ONLY}), 7200.0, every=60.0)) for e in ([blocked], []))
    alarm = with_it["pump_alarm"]
    assert alarm[alarm[:, 1] == 1.0][0, 0] == pytest.approx(60.0)
    during = with_it["insulin_delivered"][with_it["insulin_delivered"][:, 0] > 120.0]
    assert np.ptp(during[:, 1]) == 0.0
    assert with_it["insulin_rate"][-1, 1] == 0.0
    assert with_it["glucose"][-1, 1] > without["glucose"][-1, 1] + 10.0


def test_the_counter_is_basal_and_boluses_and_the_reservoir_falls_by_it():
    keys = by_key(run(plant(PUMP_ONLY), 7200.0, start=START - 6000.0, every=30.0))
    delivered, reservoir = keys["insulin_delivered"][:, 1], keys["insulin_reservoir"][:, 1]
    assert (np.diff(delivered) >= 0.0).all()
    assert delivered + reservoir == pytest.approx(180.0, abs=0.1)
    basal = keys["insulin_rate"][0, 1] * 7200.0 / 3600.0
    assert delivered[-1] - delivered[0] == pytest.approx(basal + keys["insulin_bolus"][:, 1].sum(), abs=0.1)


def test_a_scripted_hypoglycaemia_crosses_seventy_when_it_should_and_is_treated():
    low = {"kind": "hypoglycaemia", "at": START + 300.0, "duration_s": 900.0}
    glucose = by_key(run(plant({"episodes": [low], **PUMP_ONLY}), 6000.0, every=60.0))["glucose"]
    first = glucose[glucose[:, 1] < 70.0][0, 0]
    assert first == pytest.approx(300.0, abs=300.0)
    assert 33.0 < glucose[:, 1].min() < 54.0
    assert glucose[-1, 1] > glucose[:, 1].min()


def test_line_pressure_rises_before_the_infusion_pump_alarms():
    blocked = {"kind": "occlusion", "at": START + 100.0, "duration_s": 120.0}
    keys = by_key(run(plant({"conditions": ["copd"], "episodes": [blocked]}, pump_period_s=5.0), 300.0))
    pressure = keys["line_pressure"]
    before = pressure[(pressure[:, 0] > 85.0) & (pressure[:, 0] < 99.0), 1]
    assert before.max() > 150.0
    assert pressure[pressure[:, 0] < 50.0, 1].max() < 90.0
    rate = keys["infusion_rate"]
    assert rate[(rate[:, 0] > 101.0) & (rate[:, 0] < 219.0), 1].max() == 0.0
    assert pressure[-1, 1] < 90.0


DOSES = [{"local": "12:20", "grams": 0.6}]


def _openings(**changed):
    who = {"conditions": ["hypertension"], "doses": DOSES, "adherence": 1.0, **BOX_ONLY, **changed}
    return by_key(run(plant(who), 5400.0, every=60.0))


def test_an_intake_moves_lid_hand_and_weight_together():
    keys = _openings()
    opened = keys["lid_open"][keys["lid_open"][:, 1] == 1.0][0, 0]
    hand = keys["hand_present"][keys["hand_present"][:, 1] == 1.0][0, 0]
    assert 0.0 < hand - opened < 5.0
    weight = keys["tray_weight"]
    before = weight[weight[:, 0] < opened, 1][-3:].mean()
    after = weight[weight[:, 0] > opened + 9.0, 1][:3].mean()
    assert before - after == pytest.approx(0.6, abs=0.05)


def test_a_missed_dose_leaves_the_box_closed():
    keys = _openings(episodes=[{"kind": "missed_dose", "at": START}])
    assert (keys["lid_open"][:, 1] == 0.0).all()


def test_curiosity_opens_the_lid_and_takes_nothing():
    peek = {"kind": "curiosity", "at": START + 600.0}
    keys = _openings(episodes=[{"kind": "missed_dose", "at": START}, peek])
    assert (keys["lid_open"][:, 1] == 1.0).sum() == 1
    assert np.ptp(keys["tray_weight"][:, 1]) < 0.15


def test_people_differ_and_the_same_seed_does_not():
    keys = [by_key(run(plant({"seed": seed}), 60.0))["heart_rate"][:, 1].mean() for seed in (1, 2, 1)]
    assert keys[0] == keys[2]
    assert keys[0] != keys[1]


def test_a_plant_refuses_a_device_that_its_gateway_has_not():
    with pytest.raises(ValueError, match=r"\[99\]"):
        build([], {"scanners": [99]})


def test_glucose_of_a_ward_day_looks_like_treated_diabetes():
    everyone = [{"seed": seed} for seed in range(12)]
    ward = plant(*everyone, backfill_s=86_000.0)
    readings = [one for one in ward.advance(START) if by_code(one.metric_code).key == "glucose"]
    values = np.array([one.value for one in readings])
    in_range = ((values >= 70) & (values <= 180)).mean()
    assert 0.5 < in_range < 0.95
    assert 110.0 < values.mean() < 190.0
    assert values.min() > 35.0
