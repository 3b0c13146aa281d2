"""The same suite runs on every engine that is here: SQLite always, PostgreSQL where the environment names one."""

from __future__ import annotations

import os
import uuid
from urllib.parse import quote

import pytest

from devices.telemetry import open_store


def postgres_url() -> str:
    """Return the address of the telemetry in PostgreSQL; empty where there is none."""
    named = (os.environ.get(name, "") for name in ("TELEMETRY_URL", "DATABASE_URL"))
    return next((url for url in named if url.startswith("postgres")), "")


# Telemetry lives inside the test database, which pytest-django makes for tests that are marked.
ENGINES = ["sqlite", *([pytest.param("postgres", marks=pytest.mark.django_db)] if postgres_url() else [])]


@pytest.fixture(params=ENGINES)
def store_url(request, tmp_path):
    """The URL of an empty store of each engine; in PostgreSQL a schema of its own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'telemetry.sqlite3'}"
        return
    import psycopg

    url = postgres_url()  # asked for here: this file may be read before the test database has its name
    schema = f"telemetry_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"create schema {schema}")
        mark = "&" if "?" in url else "?"
        yield f"{url}{mark}options={quote(f'-csearch_path={schema}')}"
        db.execute(f"drop schema {schema} cascade")


@pytest.fixture
def store(store_url):
    opened = open_store(store_url)
    yield opened
    opened.close()
