"""Borrowed connections: kept while they are good and wanted, closed otherwise."""

from __future__ import annotations

import pytest

from devices.telemetry.pool import Pool


class Connection:
    def __init__(self) -> None:
        self.open = True

    def close(self) -> None:
        self.open = False


def test_a_connection_is_used_again_and_two_borrowers_get_two():
    pool = Pool(Connection, keep=1)
    with pool.lend() as first, pool.lend() as second:
        assert first is not second
    assert second.open
    assert not first.open  # one is kept: the one that came back first
    with pool.lend() as third:
        assert third is second


def test_a_connection_whose_borrower_failed_is_closed():
    pool = Pool(Connection)
    with pytest.raises(ValueError), pool.lend() as broken:
        raise ValueError
    assert not broken.open


def test_closing_reaches_a_connection_that_is_out():
    pool = Pool(Connection)
    with pool.lend() as lent:
        pool.close()
        assert lent.open
    assert not lent.open
