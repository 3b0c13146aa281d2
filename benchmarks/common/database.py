"""A fresh database for a benchmark: a file in a folder of its own, or one beside what DATABASE_URL names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def fresh_database(home: Path, url: str = "") -> Iterator[str]:
    """Set Django up on an empty, migrated database and yield the engine's name. One a process.

    url: `postgresql://...` for a database of its own on that server; empty for SQLite in `home`, a file with the
    settings of the house, so that a commit is as durable as in life.
    """
    os.environ |= {"MEDTWIN_HOME": str(home), "DJANGO_SETTINGS_MODULE": "twin.settings", "MEDTWIN_LOG": "ERROR"}
    os.environ["ALLOWED_HOSTS"] = "testserver"
    os.environ.pop("DATABASE_URL", None)
    if url:
        os.environ |= {"DATABASE_URL": url, "MEDTWIN_TLS": "no", "MEDTWIN_DEMO": "yes"}
        for name in ("SECRET_KEY", "FIELD_KEY", "ARCHIVE_KEY", "LOG_KEY"):
            os.environ.setdefault(name, f"benchmark {name} " * 4)
        os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:6379/0")
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor == "sqlite":
        call_command("migrate", verbosity=0, interactive=False)
        yield connection.vendor
        return
    from django.test.utils import setup_databases, teardown_databases

    kept = setup_databases(verbosity=0, interactive=False)
    settings.TELEMETRY_URL = f"{url.rsplit('/', 1)[0]}/{connection.settings_dict['NAME']}"  # readings go there too
    try:
        yield connection.vendor
    finally:
        teardown_databases(kept, verbosity=0)
