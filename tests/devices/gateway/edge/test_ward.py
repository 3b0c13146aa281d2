"""The edge in the emulated ward, cut off from any server: the pump stops, and the person's glucose really recovers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from devices.emulator.plant import Command, CommandKind
from devices.gateway.collector import Collector
from devices.gateway.edge.guard import Guard
from devices.gateway.edge.journal import Journal
from devices.gateway.edge.rules import EdgeConfig, Pair
from devices.gateway.queue import DiskQueue
from devices.kinds.registry import Urgency, by_key
from devices.protocol.decoding import decode_readings
from devices.protocol.facts import FactKind, decode_fact
from devices.protocol.frames import FrameKind
from twin.physiology.plants import WardPlant, build

CGM, PUMP = 1, 2
DEVICES = [{"device_id": CGM, "kind": "cgm"}, {"device_id": PUMP, "kind": "insulin_pump"}]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC).timestamp()
HOUR = 3600.0


def ward(low_at: float | None) -> WardPlant:
    """Return a ward of one person with diabetes, whose glucose falls to a low at that time."""
    person: dict[str, Any] = {
        "seed": 11,
        "weight_kg": 70.0,
        "conditions": ["type_1_diabetes"],
        "devices": {"cgm": CGM, "insulin_pump": PUMP},
        "time_zone": "UTC",
    }
    if low_at is not None:
        person["episodes"] = [{"kind": "hypoglycaemia", "at": low_at, "duration_s": 1800.0}]
    return build(DEVICES, {"patients": [person], "cgm_period_s": 60.0, "pump_period_s": 60.0})


def course(plant: WardPlant, hours: float, command: CommandKind | None = None) -> tuple[list[float], float]:
    """Return the glucose over some hours from noon, and the insulin delivered, after one command at noon."""
    plant.advance(NOON)
    if command is not None:
        assert plant.carry_out(Command(command, PUMP, "one"), NOON).done
    measured = [one for step in range(1, int(hours * 60) + 1) for one in plant.advance(NOON + step * 60.0)]
    glucose = [s.value for s in measured if s.metric_code == by_key("glucose").code]
    delivered = [s.value for s in measured if s.metric_code == by_key("insulin_delivered").code]
    return glucose, delivered[-1] - delivered[0]


def test_suspended_pump_of_the_ward_delivers_nothing_and_glucose_rises_for_it() -> None:
    running, given = course(ward(None), 4)
    stopped, none = course(ward(None), 4, CommandKind.SUSPEND)
    assert given > 1.0
    assert none == pytest.approx(0.0, abs=0.05)
    assert stopped[-1] > running[-1] + 15


def test_pump_resumes_takes_a_temporary_rate_and_knows_a_command_by_its_name() -> None:
    plant = ward(None)
    plant.advance(NOON)
    stop = Command(CommandKind.SUSPEND, PUMP, "stop")
    rate = Command(CommandKind.TEMPORARY_BASAL, PUMP, "less", rate_u_per_h=0.1, duration_s=HOUR)
    assert plant.carry_out(stop, NOON).done
    assert not plant.carry_out(rate, NOON).done, "a stopped pump takes no rate"
    assert plant.carry_out(Command(CommandKind.RESUME, PUMP, "go"), NOON + 60).done
    assert plant.carry_out(stop, NOON + 120).done, "heard before: not done again"
    assert plant.carry_out(rate, NOON + 120).done
    rates = rates_of(plant, NOON + 600)
    assert rates[-1] == pytest.approx(0.1)
    assert rates_of(plant, NOON + 120 + HOUR + 600)[-1] > 0.3
    assert not plant.carry_out(Command(CommandKind.SUSPEND, 99, "x"), NOON + 2 * HOUR).done


def rates_of(plant: WardPlant, until: float) -> list[float]:
    return [s.value for s in plant.advance(until) if s.metric_code == by_key("insulin_rate").code]  # type: ignore[union-attr]


@pytest.fixture
def queue(tmp_path: Path):
    opened = DiskQueue(tmp_path / "queue.sqlite3", [CGM, PUMP])
    yield opened
    opened.close()


def test_glucose_falls_while_cut_off_the_pump_stops_and_the_fact_waits_first_in_line(
    queue: DiskQueue, tmp_path: Path
) -> None:
    low_at = NOON + 3 * HOUR
    acting = run(ward(low_at), queue, tmp_path / "edge.json", actuate=True)
    facts = [
        decode_fact(batch.device, batch.payload).fact
        for batch in queue.after(0, 10_000, Urgency.DOSE)
        if batch.kind is FrameKind.FACT
    ]
    assert [fact.kind for fact in facts][:2] == [FactKind.ACTED, FactKind.RESUMED]
    assert facts[0].rule == "severe_low"
    assert facts[0].cut_off
    assert abs(facts[0].t - low_at) < 2 * HOUR
    stopped = [point for point in acting if point[1] == 0.0]
    assert stopped, "the pump says so itself"
    assert acting[-1][1] > 0.0, "and runs again"


def run(plant: WardPlant, queue: DiskQueue, journal: Path, *, actuate: bool) -> list[tuple[float, float]]:
    """Run the watch over eight hours without a server; return (t, basal rate) as the pump reported it."""
    config = EdgeConfig(actuate=actuate, pairs=(Pair(CGM, PUMP),))
    guard = Guard(config, {CGM: "cgm", PUMP: "insulin_pump"}, Journal(journal), plant)
    collector = Collector(plant, queue, watch=guard.look)
    for step in range(8 * 60):
        collector.collect(NOON + step * 60.0)
    rates = []
    for batch in queue.after(0, 100_000):
        if batch.kind is FrameKind.READINGS and batch.device == PUMP:
            rows = decode_readings(PUMP, batch.payload)
            rows = rows[rows["metric"] == by_key("insulin_rate").code]
            rates += list(zip(rows["t"].tolist(), rows["value"].tolist(), strict=True))
    return rates
