"""A store that is locked, full or gone says so by name, and nothing of the group is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from unittest import mock

import numpy as np
import psycopg
import pytest

from devices.errors import StoreUnavailable
from devices.telemetry import READING, ReadingBatch, open_store
from devices.telemetry.sqlite import SqliteStore


def batch(count: int = 1, first: int = 1) -> ReadingBatch:
    rows = np.zeros(count, READING)
    rows["device"], rows["metric"], rows["seq"], rows["t"] = 7, 1, np.arange(first, first + count), 1.7e9
    return ReadingBatch(rows, (), 1.7e9)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "telemetry.sqlite3"


def test_a_locked_file_is_named_and_served_again_when_it_is_free(path):
    store = SqliteStore(path, busy_timeout_s=0.1)
    store.write(batch())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreUnavailable) as refused:
            store.write(batch(first=2))
        assert not refused.value.permanent
        assert len(store.latest([7])) == 1  # reading goes on
        other.execute("rollback")
    assert store.write(batch(first=2)).readings.all()
    store.close()


def test_a_full_disk_loses_the_whole_group_and_nothing_else(path):
    store = SqliteStore(path)
    store.write(batch(10))
    assert store._writer is not None
    pages = store._writer.execute("pragma page_count").fetchone()[0]
    store._writer.execute(f"pragma max_page_count={pages + 2}")
    with pytest.raises(StoreUnavailable, match="full"):
        store.write(batch(5_000, first=100))
    assert len(store.history([7], [1], 0, 2e9)) == 10
    store._writer.execute("pragma max_page_count=100000")
    assert store.write(batch(5_000, first=100)).readings.all()
    store.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StoreUnavailable):
        SqliteStore(blocked / "telemetry.sqlite3").write(batch())


def test_a_database_server_that_is_gone_is_named():
    store = open_store("postgresql://postgres@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable):
        store.write(batch())
    with pytest.raises(StoreUnavailable):
        store.latest([7])
    store.close()


def test_an_address_of_no_engine_is_refused():
    with pytest.raises(ValueError, match="sqlite"):
        open_store("mysql://x/y")


def test_a_process_that_starts_does_not_wait_for_one_that_is_writing(store, store_url):
    """Making sure of the tables must lock nothing: two processes that did so while they wrote stopped each other."""
    store.write(batch())
    with _held_open(store_url):
        beside = open_store(store_url)
        assert len(beside.latest([7])) == 1
        beside.close()


@contextmanager
def _held_open(url: str) -> Iterator[None]:
    """Keep a transaction open that has written to every table of readings and frames."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as db:
            db.execute("begin immediate")
            yield
            db.execute("rollback")
        return
    import psycopg

    with psycopg.connect(url) as db:
        db.execute("lock table reading, waveform, frame_group, frame_seal in row exclusive mode")
        yield
        db.rollback()


def test_a_connection_that_could_not_be_made_ready_is_closed(monkeypatch):
    made = mock.Mock()
    made.execute.side_effect = psycopg.OperationalError("terminating connection")
    monkeypatch.setattr(psycopg, "connect", mock.Mock(return_value=made))
    opened = open_store("postgresql://postgres@127.0.0.1/none")
    with pytest.raises(StoreUnavailable):
        opened.latest([7])
    made.close.assert_called_once()
