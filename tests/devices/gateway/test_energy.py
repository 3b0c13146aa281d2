"""A gateway on a battery: it chooses how to send, follows its choice, says why, and keeps nothing urgent waiting."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import signal
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.emulator.plant import Sample
from devices.gateway.config import load
from devices.gateway.energy import CHOOSE_EVERY_S, BudgetRefused, EnergyConfig, Sending
from devices.gateway.gathering import MOST_READINGS, Waiting, joined_batches
from devices.gateway.pace import ALL, Pace
from devices.gateway.queue import Batch, DiskQueue
from devices.kinds.belief import believed_s
from devices.kinds.registry import Urgency, by_key
from devices.protocol.decoding import decode_readings
from devices.protocol.facts import Fact, FactKind
from devices.protocol.frames import FrameKind, encode_readings
from devices.protocol.heard import Run, split_heard
from devices.protocol.suites import Suite
from tests.devices.gateway.conftest import DEVICE_KEYS, PUBLIC
from tests.devices.gateway.server import Ward
from tests.patience import PATIENCE_S, until

Write = Callable[..., Path]
HEART_RATE, BOLUS = by_key("heart_rate").code, by_key("insulin_bolus").code
# Far more than this battery can give: then the cheapest that the age allows is taken.
THIRSTY = EnergyConfig(link="lte-m", battery_mah=100, life_days=365, most_age_s=120)
SECOND_S = 1.0


class Clock:
    """The monotonic clock, in a test's hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Followed:
    """Notes what was chosen."""

    def __init__(self) -> None:
        self.hold_s: float | None = None
        self.deflate: bool | None = None

    def follow(self, hold_s: float, deflate: bool | None) -> None:
        self.hold_s, self.deflate = hold_s, deflate


def play(
    config: EnergyConfig,
    tmp_path: Path,
    seconds: int = 5,
    metric: int = HEART_RATE,
    believed_s: float = math.inf,
) -> tuple[Sending, Any, list]:
    """Let device 7 say something each second; return who chose, what was followed, and the facts."""
    clock, followed = Clock(), Followed()
    sending = Sending(config, [7, 8], Suite.ASCON_AEAD128, followed, tmp_path, clock, believed_s=believed_s)
    facts = []
    for second in range(seconds):
        clock.now_s = second * SECOND_S
        facts += sending.look([Sample(7, metric, 1e9 + second, 60.0)], 1e9 + second)
    return sending, followed, facts


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[DiskQueue]:
    opened = DiskQueue(tmp_path / "queue.sqlite3", [7, 8])
    yield opened
    opened.close()


def one_reading(seq: int, device: int = 7, urgency: Urgency = Urgency.TELEMETRY) -> Batch:
    payload = encode_readings(seq, [HEART_RATE], [1e9 + seq], [60.0 + seq])
    return Batch(device, FrameKind.READINGS, payload, urgency=urgency)


def put(queue: DiskQueue, *seqs: int, device: int = 7, urgency: Urgency = Urgency.TELEMETRY) -> None:
    queue.append([one_reading(seq, device, urgency) for seq in seqs], {})


def seqs_of(queue: DiskQueue) -> list[list[int]]:
    return [decode_readings(one.device, one.payload)["seq"].tolist() for one in queue.after(0, 1000)]


def test_nothing_is_chosen_before_it_is_known_what_the_devices_bring(tmp_path: Path) -> None:
    sending, followed, facts = play(THIRSTY, tmp_path, seconds=2)
    assert (sending.choice, followed.hold_s, facts) == (None, None, [])


def test_a_small_battery_gathers_as_long_as_the_patient_allows_and_says_why(tmp_path: Path) -> None:
    sending, followed, facts = play(THIRSTY, tmp_path)
    assert sending.choice is not None
    assert sending.choice.duty.batch == 100
    assert followed.hold_s == pytest.approx(99 * SECOND_S)
    assert followed.deflate is True
    assert [fact.device_id for fact in facts] == [7, 8]
    assert {fact.kind for fact in facts} == {FactKind.SENDING}
    assert "lasts longest" in facts[0].seen
    assert "100 rounds together, deflated" in facts[0].done
    assert facts[0].values["hold_s"] == pytest.approx(followed.hold_s)


def test_on_the_mains_nothing_waits_and_deflating_stays_as_configured(tmp_path: Path) -> None:
    sending, followed, _ = play(EnergyConfig(), tmp_path)
    assert (followed.hold_s, followed.deflate) == (0.0, None)
    assert sending.choice is not None
    assert "mains" in sending.choice.why[0]


def test_a_falling_charge_makes_it_gather_for_longer(tmp_path: Path) -> None:
    config = EnergyConfig(link="wifi", battery_mah=3000, life_days=20, most_age_s=300, level_file="capacity")
    held = []
    for percent in ("100", "60", "20"):
        (tmp_path / "capacity").write_text(percent)
        sending, followed, facts = play(config, tmp_path)
        assert sending.choice is not None
        assert f"The battery is at {percent} %." in sending.choice.why
        held.append(followed.hold_s)
        assert facts
    assert held == sorted(held)
    assert held[0] < held[-1]


@pytest.mark.parametrize(
    ("kinds", "seconds"),
    [
        (["vital_signs_monitor"], 30.0),  # a heart rate each second
        (["cgm"], 1500.0),  # a glucose each five minutes
        (["cgm", "vital_signs_monitor"], 30.0),
        ([], math.inf),
    ],
)
def test_a_value_is_believed_as_long_as_the_shortest_lived_of_its_gateway(kinds: list[str], seconds: float) -> None:
    assert believed_s(kinds) == seconds


def test_no_reading_is_held_as_long_as_the_ward_believes_it_whatever_the_budget_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        _, followed, facts = play(THIRSTY, tmp_path, believed_s=30.0)
    assert 0 < followed.hold_s <= 10.0
    assert "No reading waits longer than 10 seconds, although the budget allows 2 minutes" in facts[0].seen
    assert "event=budget_shortened most_age_s=10 wanted_s=120" in caplog.text


def test_a_budget_that_is_short_enough_is_not_spoken_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _, followed, facts = play(THIRSTY, tmp_path, believed_s=1500.0)
    assert followed.hold_s == pytest.approx(99 * SECOND_S)
    assert "No reading waits" not in facts[0].seen
    assert not caplog.records


def test_dose_events_count_for_nothing_since_they_never_wait(tmp_path: Path) -> None:
    sending, _, _ = play(THIRSTY, tmp_path, metric=BOLUS)
    assert sending.choice is None


def test_the_same_choice_is_told_once(tmp_path: Path) -> None:
    sending, _, facts = play(THIRSTY, tmp_path, seconds=int(3 * CHOOSE_EVERY_S))
    assert len(facts) == 2, "one for each device"
    assert sending.choice is not None


@pytest.mark.parametrize(
    ("energy", "words"),
    [
        ({"link": "pigeon"}, "energy.link is pigeon"),
        ({"most_age_s": 9000}, "0 to 3600"),
        ({"life_days": 3}, "needs energy.battery_mah"),
        ({"battery_mah": -1}, "a battery has a charge"),
    ],
)
def test_what_is_no_budget_is_refused_when_the_gateway_starts(write_config: Write, energy: Any, words: str) -> None:
    with pytest.raises(BudgetRefused, match=words):
        load(write_config(energy=energy))


def test_small_batches_become_one_and_every_reading_stays_what_it_was(queue: DiskQueue) -> None:
    put(queue, 1, 2, 3)
    put(queue, 1, 2, device=8)
    through = queue.gather()
    assert seqs_of(queue) == [[1, 2, 3], [1, 2]]
    rows = decode_readings(7, queue.after(0, 1)[0].payload)
    assert rows["t"].tolist() == [1e9 + 1, 1e9 + 2, 1e9 + 3]
    assert rows["value"].tolist() == [61.0, 62.0, 63.0]
    assert through == queue.newest_id()


def test_what_may_have_been_sent_keeps_its_bytes(tmp_path: Path) -> None:
    queue = DiskQueue(tmp_path / "queue.sqlite3", [7, 8])
    put(queue, 1, 2)
    queue.after(0, 1, Urgency.TELEMETRY)  # the line has seen the first
    put(queue, 3)
    queue.gather()
    assert seqs_of(queue) == [[1], [2, 3]]
    queue.close()
    again = DiskQueue(tmp_path / "queue.sqlite3", [7, 8])  # who was killed may have sent anything
    put(again, 4, 5)
    again.gather()
    assert seqs_of(again) == [[1], [2, 3], [4, 5]]
    again.close()


def test_gaps_and_urgent_batches_are_not_joined(queue: DiskQueue) -> None:
    put(queue, 1, 2, 4)  # number 3 was a block of a waveform
    put(queue, 5, urgency=Urgency.DOSE)
    put(queue, 6)
    queue.gather()
    assert sorted(seqs_of(queue)) == [[1, 2], [4], [5], [6]]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_joining_loses_doubles_and_reorders_nothing(sizes: list[int]) -> None:
    waiting, seq = [], 1
    for number, size in enumerate(sizes, 1):
        span = range(seq, seq + size)
        values = [float(i) for i in span]
        waiting.append(Waiting(number, 7, encode_readings(seq, [HEART_RATE] * size, values, values), 0.0))
        seq += size
    left = {one.id: one.payload for one in waiting}
    for joined in joined_batches(waiting):
        for one in joined.ids[1:]:
            del left[one]
        left[joined.ids[0]] = joined.payload
        assert len(decode_readings(7, joined.payload)) <= MOST_READINGS
    rows = [row for _, payload in sorted(left.items()) for row in decode_readings(7, payload)]
    assert [int(row["seq"]) for row in rows] == list(range(1, seq))
    assert [float(row["value"]) for row in rows] == [float(i) for i in range(1, seq)]


def test_readings_wait_for_their_time_or_for_what_is_pressing(queue: DiskQueue) -> None:
    clock = Clock()
    pace = Pace(queue, clock)
    assert pace.release(pressing=False) == ALL
    put(queue, 1)
    pace.follow(60.0, True)
    before = pace.release(pressing=False)
    put(queue, 2, 3)
    assert pace.release(pressing=False) == before
    assert queue.after(before, 9, Urgency.TELEMETRY, before) == []
    assert pace.release(pressing=True) > before
    put(queue, 4)
    clock.now_s = 59.0
    assert pace.release(pressing=False) < queue.newest_id()
    clock.now_s = 61.0
    assert pace.release(pressing=False) == queue.newest_id()
    pace.follow(0.0, None)
    assert pace.release(pressing=False) == ALL


class Watched:
    """A lock that notes when it was let go for good; `did` is also told of each commit."""

    def __init__(self, lock: Any, did: list[str]) -> None:
        self._lock, self._did, self._depth = lock, did, 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._did.append("free")
        self._lock.release()


def test_who_appends_waits_for_one_piece_of_a_backlog_not_for_all(
    queue: DiskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.gateway.queue.GATHER_AT_ONCE", 2)
    put(queue, *range(1, 7))
    did: list[str] = []
    monkeypatch.setattr(queue, "_lock", Watched(queue._lock, did))
    queue._db.set_trace_callback(lambda statement: did.append(statement) if statement == "COMMIT" else None)
    queue.gather()
    assert seqs_of(queue) == [[1, 2], [3, 4], [5, 6]]
    commits = [at for at, what in enumerate(did) if what == "COMMIT"]
    assert len(commits) >= 3
    assert all(did[at + 1] == "free" for at in commits)


def test_the_collector_chooses_while_a_backlog_is_gathered(queue: DiskQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    pace = Pace(queue, clock)
    chosen: list[bool] = []

    def gather_and_choose() -> int:
        collector = threading.Thread(target=pace.follow, args=(0.0, None), daemon=True)
        collector.start()
        collector.join(PATIENCE_S)
        chosen.append(not collector.is_alive())
        return 5

    monkeypatch.setattr(queue, "gather", gather_and_choose)
    pace.follow(60.0, True)
    clock.now_s = 61.0
    assert pace.release(pressing=False) == ALL, "what was chosen meanwhile holds"
    assert chosen == [True]


def look(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status.json") as answer:
        return json.load(answer)


def told(ward: Ward) -> list[Fact]:
    return [fact for fact in ward.facts if fact.kind is FactKind.SENDING]


@pytest.mark.process
async def test_a_gateway_at_work_gathers_by_its_choice_and_a_dose_takes_the_rest_along(
    write_config: Write, tmp_path: Path
) -> None:
    ward, log, bell = Ward(DEVICE_KEYS, PUBLIC, lambda *_: "ack"), tmp_path / "gateway.log", tmp_path / "bell"
    async with ward.open():
        config = write_config(
            port=ward.port,
            entry="tests.devices.gateway.plants:build_ward",
            interval_s=0.4,
            page={"port": 0},
            options={"bell": str(bell)},
            devices=[  # of a kind that is believed for long, so that much may gather
                {"device_id": device, "kind": "cgm", "key_hex": key.hex()} for device, key in DEVICE_KEYS.items()
            ],
            energy={"link": "lte-m", "battery_mah": 100, "life_days": 365, "most_age_s": 3600},
        )
        with log.open("w") as out:
            gateway = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "devices.gateway", "--config", str(config), stderr=out
            )
        try:
            await until(lambda: "event=page_served" in log.read_text())
            port = int(log.read_text().partition("port=")[2].split()[0])

            async def shown() -> dict[str, Any]:
                return await asyncio.to_thread(look, port)

            while (chosen := (await shown())["sending"]) is None:
                await asyncio.sleep(0.05)
            assert chosen["batch"] == 300, "300 readings together"
            assert "lasts longest" in " ".join(chosen["why"])

            async def waiting() -> int:
                rows = (await shown())["queue"]
                return sum(row["waiting"] for row in rows if row["urgency"] == "telemetry")

            while await waiting() < 8:
                await asyncio.sleep(0.05)
            assert not told(ward), "the choice itself is not urgent, and waits like a reading"
            bell.write_text("now\n")
            await until(lambda: any(device == 8 for device, _ in ward.acked))
            await until(lambda: len(told(ward)) == 2)
            await until(lambda: max(ward.frame_sizes) >= 4)
        finally:
            gateway.send_signal(signal.SIGTERM)
            assert await gateway.wait() == 0
    assert {fact.device_id for fact in told(ward)} == {7, 8}
    heard = sorted(seq for device, seq in ward.seen if device == 7)
    assert heard == list(range(heard[0], heard[0] + len(heard))), "none lost, none twice"


def test_what_was_joined_still_says_when_each_part_was_heard(queue: DiskQueue) -> None:
    queue.append([one_reading(1)], {}, made=100.0)
    queue.append([one_reading(2), one_reading(3)], {}, made=101.0)
    queue.gather()
    queue.append([one_reading(4)], {}, made=102.0)
    joined, alone = queue.after(0, 9)
    assert joined.heard == (Run(1, 100.0), Run(1, 101.0), Run(1, 101.0))
    assert alone.heard == (Run(1, 102.0),)
    assert split_heard(joined.sealable[1]) == (list(joined.heard), joined.payload)
    queue.remove([joined.id, alone.id])
    assert queue._db.execute("SELECT count(*) FROM heard").fetchone() == (0,), "it goes with its batch"
