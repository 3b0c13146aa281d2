"""Lines beside each other: their bytes are those of real messages, and what is protected costs more."""

from __future__ import annotations

import pytest

from benchmarks.link.encoded import encoded
from devices.energy.lines import LINES, Way, ways
from devices.energy.links import LINKS
from devices.protocol.suites import Suite

PAYLOAD_BYTES = 258
OVER_IP = [name for name, link in LINKS.items() if link.stack_bytes]


@pytest.mark.parametrize("name", LINES)
def test_the_table_is_what_the_libraries_write(name: str) -> None:
    assert (LINES[name].plain, LINES[name].secured) == encoded()[name]


def found(link: str, **options: float) -> dict[tuple[str, Suite | None], Way]:
    return {(way.line.label, way.suite): way for way in ways(LINKS[link], PAYLOAD_BYTES, **options)}


@pytest.mark.parametrize("link", OVER_IP)
def test_every_line_costs_more_protected_and_more_under_a_slower_cipher(link: str) -> None:
    compared = found(link)
    assert len(compared) == 12
    for line in LINES.values():
        bare, *sealed = (compared[line.label, suite].cost for suite in (None, *Suite))
        assert bare.security_j == 0.0
        assert bare.total_j < sealed[0].total_j < sealed[1].total_j < sealed[2].total_j  # Ascon, AES, PHOTON-Beetle
        for cost in sealed:
            assert cost.security_j == pytest.approx(cost.total_j - bare.total_j)


def test_bytes_on_the_air_hold_frame_line_and_headers() -> None:
    way = found("wifi")["CoAP", Suite.ASCON_AEAD128]
    headers = LINKS["wifi"].packet_overhead_bytes - LINKS["wifi"].stack_bytes + 28  # IPv4 and UDP
    assert way.up_bytes == PAYLOAD_BYTES + 36 + 60 + headers + 4 + headers
    assert way.down_bytes == 4 + 68 + 2 * headers


def test_a_radio_that_stays_up_costs_every_way_the_same() -> None:
    short, long = found("wifi"), found("wifi", staying_j=0.01)
    assert all(long[key].cost.total_j == pytest.approx(short[key].cost.total_j + 0.01) for key in short)
    assert all(long[key].cost.security_j == pytest.approx(short[key].cost.security_j) for key in short)
