"""A gateway tells how well it hears its devices: a summary now and then, and nothing that it did not measure."""

from __future__ import annotations

import pytest

from devices.bluetooth.central.talk import Health
from devices.emulator.plant import Sample
from devices.gateway.hearing import AGAIN_S, TELL_EVERY_S, Hearing
from devices.protocol.facts import Fact, FactKind, decode_fact, encode_fact


class Clock:
    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health() -> Health:
    return Health(7, connected=True, connections=1)


@pytest.fixture
def hearing(clock: Clock, health: Health) -> Hearing:
    return Hearing([7, 8], "usb:0", [7], lambda: {7: health}, clock)


def told(hearing: Hearing, *samples: Sample, now: float = 1e9) -> list[Fact]:
    facts = hearing.look(samples, now, cut_off=False)
    for fact in facts:
        assert decode_fact(fact.device_id, encode_fact(1, fact)).fact == fact, "it survives the wire"
    return facts


def test_a_summary_says_the_middle_the_lowest_and_of_how_many(hearing: Hearing, health: Health, clock: Clock) -> None:
    for rssi in (-60, -58, -90):
        health.heard(rssi)
    clock.now_s += 30.0
    (fact,) = told(hearing)
    assert (fact.device_id, fact.kind, fact.texts) == (7, FactKind.LINK, {"radio": "bluetooth"})
    assert fact.values == {
        "span_s": 30.0,
        "signals": 3.0,
        "rssi_median_dbm": -60.0,
        "rssi_lowest_dbm": -90.0,
        "reconnects": 0.0,
        "refused": 0.0,
        "wrong_crc": 0.0,
        "connected": 1.0,
    }


def test_what_came_meanwhile_is_told_ten_minutes_later(hearing: Hearing, health: Health, clock: Clock) -> None:
    health.heard(-60)
    assert len(told(hearing)) == 1
    health.heard(-70)
    health.connections, health.refused, health.wrong_crc = 3, 5, 2
    clock.now_s += TELL_EVERY_S - 1.0
    assert told(hearing) == []
    clock.now_s += 1.0
    (fact,) = told(hearing)
    counted = {name: fact.values[name] for name in ("reconnects", "refused", "wrong_crc", "rssi_median_dbm")}
    assert counted == {"reconnects": 2.0, "refused": 5.0, "wrong_crc": 2.0, "rssi_median_dbm": -70.0}
    assert fact.values["span_s"] == TELL_EVERY_S


def test_a_radio_that_was_opened_anew_counts_from_nothing(clock: Clock) -> None:
    first = Health(7, connected=True, connections=5, refused=9)
    air = {7: first}
    hearing = Hearing([7], "usb:0", [7], lambda: air, clock)
    assert told(hearing)[0].values["reconnects"] == 4.0
    air[7] = Health(7, connected=True, connections=1, refused=2)
    clock.now_s += TELL_EVERY_S
    values = told(hearing)[0].values
    assert (values["reconnects"], values["refused"]) == (1.0, 2.0)


def test_what_a_controller_does_not_know_is_not_told(hearing: Hearing, health: Health) -> None:
    health.heard(127)
    (fact,) = told(hearing)
    assert health.rssi is None
    assert not {"rssi_median_dbm", "rssi_lowest_dbm", "signals"} & set(fact.values)


def test_an_emulated_radio_has_no_strength(clock: Clock, health: Health) -> None:
    health.heard(-50)
    (fact,) = told(Hearing([7], "virtual", [7], lambda: {7: health}, clock))
    assert fact.texts == {"radio": "virtual"}
    assert "rssi_median_dbm" not in fact.values
    assert fact.values["reconnects"] == 0.0


def test_a_device_on_no_radio_is_said_to_be_once_it_is_heard_and_once_a_day(clock: Clock, health: Health) -> None:
    hearing = Hearing([7, 8], "usb:0", [7], dict, clock)
    assert told(hearing) == []
    reading = Sample(8, 1, 1e9, 70.0)
    (fact,) = told(hearing, reading)
    assert (fact.device_id, fact.texts, fact.values) == (8, {"radio": "none"}, {})
    clock.now_s += AGAIN_S - 1.0
    assert told(hearing, reading) == []
    clock.now_s += 1.0
    assert [one.device_id for one in told(hearing, reading, Sample(7, 1, 1e9, 70.0))] == [8]


def test_a_device_that_was_never_connected_is_not_told_of(clock: Clock) -> None:
    never = Health(7)
    never.heard(-60)
    assert told(Hearing([7], "usb:0", [7], lambda: {7: never}, clock)) == []


def test_what_a_device_says_of_itself_is_told_when_it_changes_and_once_a_day(
    hearing: Hearing, health: Health, clock: Clock
) -> None:
    def firmware() -> list[str]:
        return [fact.texts["firmware"] for fact in told(hearing) if fact.kind is FactKind.ABOUT]

    health.about = {"firmware": "1.0", "maker": "x" * 120}
    assert firmware() == ["1.0"]
    assert firmware() == []
    health.about = {"firmware": "1.1"}
    assert firmware() == ["1.1"]
    clock.now_s += AGAIN_S
    assert firmware() == ["1.1"]
