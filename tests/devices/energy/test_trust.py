"""What proving oneself costs: the table is what real messages take, and the sums are what they say."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.link.handshake import greet, pair, scene
from devices.energy.cpu import JOULES_PER_CYCLE
from devices.energy.links import LINKS
from devices.energy.trust import ACTS, CYCLES, GREETING, PAIRING

SLACK_BYTES = 24  # a time has more digits or fewer, a number in a certificate too


def test_the_table_holds_the_bytes_of_real_messages() -> None:
    house = scene()
    _, (offer, answer, proof, outcome), paired = pair(house)
    assert PAIRING.up == pytest.approx((len(offer), len(proof)), abs=SLACK_BYTES)
    assert PAIRING.down == pytest.approx((len(answer), len(outcome)), abs=SLACK_BYTES)
    _, (hello, welcome), _ = greet(house, paired)
    challenge = msgspec.json.encode(
        {"type": "challenge", "nonce": bytes(32).hex(), "server_time": 1_790_000_000.123456}
    )
    assert GREETING.up == pytest.approx((len(hello),), abs=SLACK_BYTES)
    assert GREETING.down == pytest.approx((len(challenge), len(welcome)), abs=SLACK_BYTES)


def test_a_greeting_agrees_signs_and_checks_a_certificate_and_a_signature() -> None:
    cycles = 2 * CYCLES.exchange + CYCLES.sign + 2 * CYCLES.verify
    assert GREETING.cycles == cycles
    assert GREETING.busy_s == pytest.approx(0.191, abs=0.001)
    assert GREETING.cost(LINKS["ethernet"]).cpu_j == pytest.approx(cycles * JOULES_PER_CYCLE)


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_a_pairing_costs_more_than_a_greeting_and_all_of_it_is_for_security(link) -> None:
    for act in ACTS:
        assert act.cost(link).security_j == act.cost(link).total_j
    assert PAIRING.cost(link).total_j > GREETING.cost(link).total_j
