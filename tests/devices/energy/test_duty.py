"""What a way of sending costs in joules and in time, and which way is chosen."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.energy.battery import DAY_S, Battery
from devices.energy.choice import BATCHES, Believed, Wish, as_sent, candidates, choose, compare
from devices.energy.duty import Duty, deflated_share
from devices.energy.links import LINKS
from devices.energy.words import duration
from devices.protocol.suites import Suite

COIN = Battery(capacity_mah=230, voltage_v=3.0, idle_w=15e-6, source="(E)")
CENTURY = "more than 100 years"
MINUTE = Duty(LINKS["ble"], period_s=60.0, metrics=2)
duties = st.builds(
    Duty,
    link=st.sampled_from(list(LINKS.values())),
    period_s=st.floats(1, 3600),
    metrics=st.integers(1, 6),
    suite=st.sampled_from(Suite),
)
wishes = st.builds(
    Wish, most_age_s=st.floats(0, 7200), life_s=st.one_of(st.none(), st.floats(HOUR := 3600.0, 2000 * DAY_S))
)


def test_polling_every_five_minutes_lasts_longer_and_tells_later() -> None:
    found = compare(MINUTE, replace(MINUTE, period_s=300.0), COIN)
    assert found.then_life_s > found.now_life_s
    assert found.delay_grows_s == 240.0
    assert found.joules_saved_per_day == pytest.approx(MINUTE.joules_per_day * 0.8)


@given(duties, st.floats(30, 5000), st.floats(30, 5000), st.sampled_from(BATCHES))
def test_no_wish_lets_a_value_stay_away_until_the_one_before_is_not_believed(
    duty: Duty, device_s: float, gateway_s: float, batch: int
) -> None:
    asked = replace(duty, batch=batch)
    sent = as_sent(asked, Believed(device_s, gateway_s))
    assert sent.duty.period_s == min(asked.period_s, device_s / 3)
    assert sent.duty.batch == 1 or sent.duty.worst_age_s <= gateway_s / 3
    assert sent.duty.batch <= asked.batch
    assert (sent.duty == asked) == (not sent.shortened)
    assert replace(sent.duty, period_s=asked.period_s, batch=asked.batch) == asked, "nothing else is changed"


def test_what_is_shortened_of_a_wish_is_said_with_both_times() -> None:
    asked = replace(MINUTE, period_s=300.0, batch=10)
    sent = as_sent(asked, Believed(device=150.0, gateway=30.0))
    assert (sent.duty.period_s, sent.duty.batch) == (50.0, 1)
    period, batch = sent.shortened
    assert "Not every 5 minutes but every 50 seconds: the ward believes its values for 2.5 minutes" in period
    assert "Not 10 measurements a message but 1: no reading waits longer than 10 seconds" in batch


def test_what_comes_with_events_alone_is_never_shortened() -> None:
    asked = replace(MINUTE, period_s=3600.0, batch=300)
    assert as_sent(asked, Believed(math.inf, math.inf)).duty == asked


def test_gathering_delays_alarms_unless_they_are_sent_at_once() -> None:
    gathered = replace(MINUTE, batch=10)
    assert (gathered.worst_delay_s, gathered.mean_delay_s) == (60.0, 30.0)
    patient = replace(gathered, urgent_at_once=False)
    assert (patient.worst_delay_s, patient.mean_delay_s) == (600.0, 300.0)


def test_the_seal_costs_and_a_dearer_cipher_costs_more() -> None:
    plain, ascon, photon = (replace(MINUTE, suite=s).power_w for s in (None, Suite.ASCON_AEAD128, Suite.PHOTON_BEETLE))
    assert plain < ascon < photon


@given(duties, wishes, st.floats(0.01, 1))
def test_a_choice_keeps_the_age_and_is_the_best_of_all_that_are_allowed(duty: Duty, wish: Wish, level: float) -> None:
    chosen = choose(duty, COIN, level, wish)
    assert chosen.duty.batch == 1 or chosen.duty.worst_age_s <= wish.most_age_s
    assert chosen.life_s == COIN.life_s(chosen.duty.power_w, level)
    for other in candidates(duty, wish):
        life_s = COIN.life_s(other.power_w, level)
        if not chosen.enough:
            assert wish.life_s is not None
            assert life_s < wish.life_s
            assert life_s <= chosen.life_s
        elif wish.life_s is None or life_s >= wish.life_s:
            assert (chosen.duty.worst_age_s, chosen.duty.power_w) <= (other.worst_age_s, other.power_w)
    assert all(sentence.endswith(".") for sentence in chosen.why)


def test_the_choice_says_what_fewer_in_a_message_would_cost() -> None:
    often = Duty(LINKS["lte-m"], period_s=10.0, metrics=4)
    hub = Battery(capacity_mah=3000, voltage_v=3.7, idle_w=5e-3, source="(E)")
    least = choose(often, hub, 1.0, Wish(most_age_s=0, life_s=1.0)).life_s
    chosen = choose(often, hub, 1.0, Wish(most_age_s=3600, life_s=3 * least))
    assert chosen.enough
    assert chosen.duty.batch > 1
    assert f"{chosen.duty.batch} measurements a message: with" in chosen.why[0]


def test_a_wish_that_cannot_be_met_is_said_so() -> None:
    chosen = choose(Duty(LINKS["lte-m"], period_s=1.0), COIN, 1.0, Wish(most_age_s=60, life_s=900 * DAY_S))
    assert not chosen.enough
    assert "Nothing that is allowed lasts" in chosen.why[0]


def test_what_hangs_on_the_mains_sends_at_once() -> None:
    chosen = choose(replace(MINUTE, link=LINKS["ethernet"]), COIN, 1.0, Wish(most_age_s=3600))
    assert chosen.duty.batch == 1
    assert chosen.enough


@pytest.mark.parametrize(("readings", "share"), [(1, 0.95), (3, 0.85), (20, 0.52), (300, 0.32), (9999, 0.32)])
def test_deflation_is_read_between_the_measured_points(readings: int, share: float) -> None:
    assert deflated_share(readings) == pytest.approx(share)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (90, "1.5 minutes"),
        (5400, "1.5 hours"),
        (9.5 * DAY_S, "9.5 days"),
        (4e9, "more than 100 years"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_duty_without_a_period_and_a_level_above_full_are_refused() -> None:
    with pytest.raises(ValueError, match="period"):
        Duty(LINKS["ble"], period_s=0)
    with pytest.raises(ValueError, match="level"):
        COIN.life_s(0.0, 1.1)
