"""The energy model against sums done by hand, and the shapes it must keep."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.energy.cost import SEAL_BYTES, message_cost
from devices.energy.cpu import JOULES_PER_CYCLE, framing_j, seal_j
from devices.energy.links import LINKS

sizes = st.integers(0, 16_000)
links = st.sampled_from(sorted(LINKS))


def test_a_notification_of_20_bytes_over_bluetooth_costs_the_sum_done_by_hand():
    # 41 bytes on air at 8 us = 328 us at 14.4 mW = 4.7232 uJ; 460 us listening at 13.8 mW = 6.348 uJ; waking 9.9 uJ.
    assert LINKS["ble"].send_j(20) == pytest.approx(20.9712e-6, rel=1e-9)


def test_a_message_of_90_bytes_over_802_15_4_costs_the_sum_done_by_hand():
    # 132 bytes at 32 us = 4.224 ms at 72 mW = 304.128 uJ; 1.984 ms listening at 60 mW = 119.04 uJ; waking 39 uJ.
    assert LINKS["802.15.4"].send_j(90) == pytest.approx(462.168e-6, rel=1e-9)


def test_the_wifi_tail_is_what_was_published():
    # 238.1 ms at 119.3 mW = 28.405 mJ and 79.1 ms at 124.4 mW = 9.840 mJ to come back.
    assert LINKS["wifi"].tail_j() == pytest.approx(38.245e-3, rel=1e-3)
    assert LINKS["wifi"].tail_j(0.1) == pytest.approx(11.93e-3)


def test_one_lte_m_message_an_hour_pays_connection_and_tail():
    # 105 mJ to connect, 11.576 s at 29.6 mW = 342.65 mJ of tail.
    assert LINKS["lte-m"].tail_j(3600) == pytest.approx(0.44765, rel=1e-4)


def test_sealing_64_bytes_costs_the_cycles_the_designers_measured():
    # 1,800 + 42.9 x 64 = 4,546 cycles; the designers' table says 70.4 x 64 = 4,506.
    cycles = seal_j(64, 0) / JOULES_PER_CYCLE
    assert cycles == pytest.approx(4545.6)
    assert cycles == pytest.approx(70.4 * 64, rel=0.02)
    assert pytest.approx(156e-12) == JOULES_PER_CYCLE


def test_security_is_the_difference_between_sealed_and_unsealed():
    sealed = message_cost(LINKS["wifi"], 258, sealed=True, gap_s=1.0)
    plain = message_cost(LINKS["wifi"], 258, sealed=False, gap_s=1.0)
    assert sealed.security_j == pytest.approx(sealed.total_j - plain.total_j)
    assert plain.security_j == 0.0


def test_a_negative_size_or_gap_is_refused():
    with pytest.raises(ValueError, match="negative size"):
        message_cost(LINKS["ble"], -1, sealed=False)
    with pytest.raises(ValueError, match="negative size"):
        message_cost(LINKS["ble"], 1, sealed=False, gap_s=-0.1)


@given(links, sizes, st.integers(1, 2_000))
def test_more_bytes_never_cost_less(name, size, more):
    link = LINKS[name]
    assert link.send_j(size + more) > link.send_j(size)
    assert framing_j(size + more) > framing_j(size)


@given(links, sizes)
def test_the_seal_always_costs_something_and_never_more_than_everything(name, size):
    cost = message_cost(LINKS[name], size, sealed=True)
    assert 0 < cost.security_j < cost.total_j


@given(links, st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_longer_gap_never_costs_less(name, gap_s, more_s):
    assert LINKS[name].tail_j(gap_s + more_s) >= LINKS[name].tail_j(gap_s)


@given(links)
def test_the_tail_is_bounded(name):
    link = LINKS[name]
    assert link.tail_j(inf) == pytest.approx(link.tail_w * link.tail_s + (link.connect_j if link.tail_s < inf else 0))


def test_one_bulk_message_costs_less_than_many_small_ones_of_the_same_bytes():
    for link in LINKS.values():
        assert link.send_j(2_000) < 20 * link.send_j(100)


def test_bluetooth_carries_more_bytes_per_joule_than_802_15_4():
    # Siekkinen et al. 2012, and ever more so for longer payloads.
    ratios = [LINKS["802.15.4"].send_j(size) / LINKS["ble"].send_j(size) for size in (20, 80, 240)]
    assert ratios[0] > 1
    assert ratios == sorted(ratios)


def test_the_seal_adds_header_and_tag():
    assert SEAL_BYTES == 36
