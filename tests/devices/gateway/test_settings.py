"""A gateway follows what the server wishes of its devices, over a restart too, and says once that it does."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from devices.emulator.plant import Block, Sample
from devices.gateway.collector import Collector
from devices.gateway.edge.rules import EdgeConfig, Pair
from devices.gateway.edge.wishes import judge
from devices.gateway.queue import DiskQueue
from devices.gateway.settings import Settings
from devices.kinds.registry import by_key
from devices.protocol.facts import FactKind, encode_fact
from devices.protocol.settings import DeviceSettings, GatewaySettings

HEART_RATE, TEMPERATURE = by_key("heart_rate").code, by_key("temperature").code
BOLUS, ALARM = by_key("insulin_bolus").code, by_key("pump_alarm").code
FIVE = GatewaySettings(4, {7: DeviceSettings(5.0, deflate=True)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.settings.json"


@pytest.fixture
def settings(path: Path) -> Settings:
    return Settings(path, [7, 8])


def times(measured: list[Sample | Block], device: int = 7, metric: int = HEART_RATE) -> list[float]:
    return [
        one.t for one in measured if isinstance(one, Sample) and (one.device_id, one.metric_code) == (device, metric)
    ]


def a_minute(metric: int = HEART_RATE, device: int = 7) -> list[Sample | Block]:
    return [Sample(device, metric, 100.0 + second, 60.0) for second in range(20)]


def test_without_a_wish_everything_is_sent(settings: Settings) -> None:
    assert settings.thin(a_minute()) == a_minute()


def test_of_each_measurement_of_the_device_one_value_is_sent_in_the_time_wished(settings: Settings) -> None:
    settings.take(FIVE)
    kept = settings.thin([*a_minute(), *a_minute(TEMPERATURE), *a_minute(device=8)])
    assert times(kept) == times(kept, metric=TEMPERATURE) == [100.0, 105.0, 110.0, 115.0]
    assert len(times(kept, device=8)) == 20


def test_a_device_that_is_a_little_early_each_time_does_not_lose_every_other_value(settings: Settings) -> None:
    settings.take(GatewaySettings(1, {7: DeviceSettings(2.0)}))
    early: list[Sample | Block] = [Sample(7, HEART_RATE, 100.0 + 1.99 * turn, 60.0) for turn in range(10)]
    assert settings.thin(early) == early


@pytest.mark.parametrize("metric", [BOLUS, ALARM])
def test_doses_and_alarms_are_always_sent(settings: Settings, metric: int) -> None:
    settings.take(FIVE)
    assert settings.thin(a_minute(metric)) == a_minute(metric)


def test_waveforms_and_what_comes_late_are_always_sent(settings: Settings) -> None:
    settings.take(FIVE)
    block = Block(7, by_key("ecg").code, 100.0, 0.004, 0.01, np.ones(4, np.int16))
    late = Sample(7, HEART_RATE, 50.0, 61.0)
    settings.thin(a_minute())
    assert settings.thin([block, late]) == [block, late]


def test_what_watches_at_the_gateway_sees_what_is_not_sent(settings: Settings, tmp_path: Path) -> None:
    class Plant:
        def advance(self, t: float) -> list[Sample | Block]:
            return a_minute()

    seen: list[Sample] = []
    queue = DiskQueue(tmp_path / "queue.sqlite3", [7])
    try:
        collector = Collector(
            Plant(), queue, watch=lambda samples, _now: seen.extend(samples) or [], thin=settings.thin
        )
        settings.take(FIVE)
        first = queue.next_seqs()[7]
        collector.collect(120.0)
        assert len(seen) == 20
        assert queue.next_seqs()[7] - first == 4
    finally:
        queue.close()


def test_that_it_follows_is_told_once_for_each_wish(settings: Settings) -> None:
    assert settings.news(100.0) == []
    settings.take(FIVE)
    (fact,) = settings.news(101.0)
    assert (fact.kind, fact.device_id, fact.values) == (
        FactKind.SET,
        7,
        {"number": 4.0, "every_s": 5.0, "deflate": 1.0},
    )
    assert settings.news(102.0) == []
    settings.take(GatewaySettings(5, {7: DeviceSettings(), 99: DeviceSettings()}))
    assert [(one.device_id, one.values["number"]) for one in settings.news(103.0)] == [(7, 5.0)]


def test_a_restart_forgets_neither_the_wish_nor_that_it_was_told(settings: Settings, path: Path) -> None:
    settings.take(FIVE)
    settings.news(100.0)
    killed = Settings(path, [7])  # before the fact was surely on the queue: it is told again
    assert killed.of(7) == DeviceSettings(5.0, deflate=True)
    assert len(killed.news(101.0)) == 1
    killed.news(102.0)
    assert Settings(path, [7]).news(103.0) == []
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"wanted": {"devices": {"7": {"every_s": 999}}}}'])
def test_a_file_that_cannot_be_read_is_as_none(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert Settings(path, [7]).of(7) is None


def test_a_disk_that_takes_nothing_keeps_nobody_from_following(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "missing" / "settings.json", [7])
    settings.take(FIVE)
    assert settings.of(7) == FIVE.devices[7]


RULES = EdgeConfig(pairs=(Pair(9, 7),))
PUMP_RULES = ["severe_low", "pump_trouble", "over_infusion", "low_reservoir", "low_battery"]


@pytest.fixture
def pump(path: Path) -> Settings:
    return Settings(path, [7], partial(judge, RULES, {7: "insulin_pump", 9: "cgm"}))


def wish(number: int, **rules: dict[str, float | bool]) -> GatewaySettings:
    return GatewaySettings(number, {7: DeviceSettings(rules=rules)})


def test_each_rule_says_what_runs_and_the_last_fact_that_all_was_said(pump: Settings) -> None:
    pump.take(wish(1, severe_low={"below_mg_dl": 60.0}, low_battery={"on": False}))
    told = pump.news(100.0)
    assert [one.rule for one in told] == [*PUMP_RULES, "settings"]
    low, battery = told[0], told[4]
    assert (low.values["number"], low.values["on"], low.values["below_mg_dl"]) == (1.0, 1.0, 60.0)
    assert "below 60 mg/dL" in low.done
    assert (battery.values["on"], battery.done) == (0.0, "Battery nearly empty: off.")
    assert told[1].seen == "the gateway's own configuration says so"
    assert all(len(encode_fact(1, one)) < 1024 for one in told)


def test_a_wish_out_of_bounds_is_told_by_name_and_not_followed(pump: Settings) -> None:
    pump.take(wish(1, severe_low={"below_mg_dl": 90.0}, low_reservoir={"below_u": 30.0}, fly={}))
    assert set(pump.rules_of(7)) == {"low_reservoir"}
    told = {one.rule: one for one in pump.news(100.0)}
    assert told["severe_low"].values["refused"] == 1.0
    assert "below_mg_dl is 90; safe is 40 to 70" in told["severe_low"].seen
    assert told["severe_low"].values["below_mg_dl"] == 54.0  # which goes on
    assert "fly is no rule here" in told["settings"].done
    assert told["settings"].values["refused"] == 1.0


def test_rules_are_followed_after_a_restart_and_not_once_nothing_is_wished(pump: Settings, path: Path) -> None:
    pump.take(wish(1, low_battery={"on": False}))
    again = Settings(path, [7], partial(judge, RULES, {7: "insulin_pump", 9: "cgm"}))
    assert again.rules_of(7) == {"low_battery": None}
    again.take(wish(2))
    assert again.rules_of(7) == {}
    assert [one.rule for one in again.news(100.0)] == [*PUMP_RULES, "settings"]


def test_what_a_server_says_of_settings_unknown_here_is_told_back(pump: Settings) -> None:
    pump.take(GatewaySettings(1, {7: DeviceSettings(2.0)}, {7: ["colour: no such setting here"]}))
    (fact,) = pump.news(100.0)
    assert "not taken: colour: no such setting here" in fact.done
    assert fact.values["refused"] == 1.0
