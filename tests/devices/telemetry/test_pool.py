"""Borrowed connections: kept while they are good and wanted, closed otherwise."""

from __future__ import annotations

import select
import socket

import pytest

from devices.telemetry.pool import Pool, is_quiet
from tests.devices.telemetry.conftest import postgres_url
from tests.patience import PATIENCE_S


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


def test_a_connection_that_died_while_it_was_idle_is_not_lent():
    pool = Pool(Connection, lives=lambda connection: connection.open)
    with pool.lend() as first, pool.lend() as second:
        pass
    first.close()
    second.close()
    with pool.lend() as third:
        assert third.open
    with pool.lend() as again:
        assert again is third


def test_a_socket_is_quiet_until_its_other_end_goes():
    here, there = socket.socketpair()
    with here:
        assert is_quiet(here.fileno())
        there.close()
        assert not is_quiet(here.fileno())


if postgres_url():

    @pytest.mark.django_db
    @pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
    def test_a_server_that_ended_every_connection_costs_no_reader_an_answer(store):
        with store._readers.lend() as one, store._readers.lend() as other:
            ended = [one, other]
        import psycopg

        with psycopg.connect(postgres_url(), autocommit=True) as db:
            for connection in ended:
                db.execute("select pg_terminate_backend(%s)", (connection.info.backend_pid,))
        for connection in ended:
            assert select.select([connection.fileno()], [], [], PATIENCE_S)[0], "the server says farewell"
        assert store.latest([7]) == []
