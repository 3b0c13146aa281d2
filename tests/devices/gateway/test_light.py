"""What a gateway holds in memory: no module that its configuration does not ask for, no reading that no rule reads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devices.emulator.plant import Sample
from devices.gateway.edge import judging
from devices.gateway.edge.memory import Memory
from devices.gateway.edge.rules import SAFE, OverInfusion
from devices.kinds.registry import by_key

Write = Callable[..., Path]

# Each of them takes megabytes, and a gateway with devices in the air works without.
SERVERS_HALF = ["numpy", "numba", "devices.telemetry", "devices.protocol.decoding", "devices.gateway.pair"]
PAGE = "devices.gateway.page.view"
OTHER_SIDE_OF_THE_AIR = ["bumble.controller", "devices.bluetooth.air", "devices.bluetooth.peripheral.device"]
BUILD = """
import json, sys
from pathlib import Path
import devices.gateway.__main__
from devices.gateway.agent import Agent
from devices.gateway.config import load
agent = Agent(load(Path(sys.argv[1])))
agent._page()
print(json.dumps(sorted(sys.modules)))
"""


def modules_of(config: Path) -> set[str]:
    """Return what a fresh interpreter has imported once it has built the gateway."""
    told = subprocess.run([sys.executable, "-c", BUILD, str(config)], capture_output=True, text=True, check=True)
    return set(json.loads(told.stdout))


@pytest.fixture
def with_radio(write_config: Write) -> Callable[..., Path]:
    def write(**changes: object) -> Path:
        device = {"device_id": 7, "kind": "vital_signs_monitor", "key_hex": "07" * 16, "address": "C0:00:00:00:00:07"}
        return write_config(entry="", devices=[device], radio="tcp-client:127.0.0.1:9", **changes)

    return write


def test_a_gateway_with_a_radio_imports_nothing_that_it_does_not_need(with_radio: Callable[..., Path]) -> None:
    modules = modules_of(with_radio())
    assert "bumble.device" in modules
    assert modules.isdisjoint([*SERVERS_HALF, PAGE, *OTHER_SIDE_OF_THE_AIR])


def test_a_page_is_imported_where_one_is_asked_for(with_radio: Callable[..., Path]) -> None:
    modules = modules_of(with_radio(page={"port": 0}))
    assert PAGE in modules
    assert modules.isdisjoint(SERVERS_HALF)


def test_readings_that_no_rule_reads_are_not_remembered() -> None:
    memory = Memory()
    codes = [by_key(key).code for key in ("heart_rate", "spo2", "glucose")]
    memory.keep([Sample(7, code, 1000.0, 97.0) for code in codes], 1000.0)
    assert len(memory) == 1


def test_memory_ends_where_the_longest_rule_stops_looking_back() -> None:
    rate = by_key("infusion_rate").code
    keep_s = judging.looks_back_s(SAFE)
    memory = Memory(keep_s)
    for t in range(0, 4 * int(keep_s), 10):
        memory.keep([Sample(8, rate, float(t), 5.0)], float(t))
    assert len(memory) == pytest.approx(keep_s / 10, abs=1)
    assert judging.looks_back_s([OverInfusion(window_min=120)]) > keep_s


def test_late_readings_take_their_place_in_time() -> None:
    memory = Memory()
    glucose = by_key("glucose").code
    for t, value in ((300.0, 100.0), (900.0, 80.0), (600.0, 90.0)):
        memory.keep([Sample(7, glucose, t, value)], 1000.0)
    assert [point.value for point in memory.of(7, "glucose", 400.0)] == [90.0, 80.0]
    newest = memory.newest(7, "glucose")
    assert newest is not None
    assert newest.value == 80.0
