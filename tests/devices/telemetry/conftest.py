"""The same suite runs on every engine that is here: SQLite always, PostgreSQL where the environment names one."""

from __future__ import annotations

import os
import uuid
from urllib.parse import quote

import pytest

from devices.telemetry import open_store

POSTGRES_URL = next(
    (url for name in ("TELEMETRY_URL", "DATABASE_URL") if (url := os.environ.get(name, "")).startswith("postgres")), ""
)
# Telemetry lives inside the test database, which pytest-django makes for tests that are marked.
ENGINES = ["sqlite", *([pytest.param("postgres", marks=pytest.mark.django_db)] if POSTGRES_URL else [])]


@pytest.fixture(params=ENGINES)
def store_url(request, tmp_path):
    """The URL of an empty store of each engine; in PostgreSQL a schema of its own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'telemetry.sqlite3'}"
        return
    import psycopg

    schema = f"telemetry_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES_URL, autocommit=True) as db:
        db.execute(f"create schema {schema}")
        mark = "&" if "?" in POSTGRES_URL else "?"
        yield f"{POSTGRES_URL}{mark}options={quote(f'-csearch_path={schema}')}"
        db.execute(f"drop schema {schema} cascade")


@pytest.fixture
def store(store_url):
    opened = open_store(store_url)
    yield opened
    opened.close()
