"""Notice that the registry changed without reading it: triggers leave a mark, and readers compare marks.

Triggers see what no service does: bulk operations, other programs and somebody at the database's own prompt. They are
put up again after every migration, since SQLite drops them when Django rebuilds a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import connections
from django.db.models import Count, Max
from django.utils import timezone

from devices.models import RegistryChange, Watched

KEPT = timedelta(minutes=10)
# table -> what its changes are noted as, and the columns that matter to readers; last_seen_at, say, does not
NOTED = {
    "devices_gateway": (
        Watched.GATEWAYS,
        ("name", "public_key", "root_sealed", "state", "ward_id", "connected_at", "settings_number"),
    ),
    "devices_gatewaymeasurement": (Watched.PAPERS, ("approved_at",)),
    "devices_device": (
        Watched.DEVICES,
        ("kind", "gateway_id", "patient_id", "key_sealed", "root_sealed", "epoch", "suite", "state"),
    ),
    "devices_certificate": (Watched.PAPERS, ("state",)),
    "devices_devicepath": (Watched.DEVICES, ("gateway_id", "lane", "key_sealed", "suite", "ended_at")),
    "compliance_patient": (Watched.DEVICES, ("ward_id",)),
}
Mark = tuple[int, int]


def registry_marks() -> dict[Watched, Mark]:
    """Return a mark by table; while a mark is the same, nothing in its table has changed.

    A count stands beside the newest number because numbers become visible out of order: the one drawn first may be
    committed last.
    """
    marks = dict.fromkeys(Watched, (0, 0))
    found = RegistryChange.objects.values_list("table").annotate(count=Count("id"), newest=Max("id"))
    return marks | {Watched(table): (count, newest or 0) for table, count, newest in found.order_by()}


def forget_old_changes() -> None:
    """Delete marks that every reader has long seen; each reads its tables once more for it."""
    RegistryChange.objects.filter(at__lt=timezone.now() - KEPT).delete()


def put_up_triggers(using: str, **_kwargs: Any) -> None:
    """Create the triggers where the tables are there. Meant for Django's `post_migrate`."""
    connection = connections[using]
    there = set(connection.introspection.table_names())
    if RegistryChange._meta.db_table not in there:
        return
    build = _for_postgres if connection.vendor == "postgresql" else _for_sqlite
    with connection.cursor() as cursor:
        for table in there & NOTED.keys():
            for statement in build(table):
                cursor.execute(statement)


def _for_sqlite(table: str) -> Iterator[str]:
    noted_as, columns = NOTED[table]
    for event, name in _events(columns):
        yield f"DROP TRIGGER IF EXISTS note_{table}_{name}"
        note = _note(noted_as, "datetime('now')")
        yield f"CREATE TRIGGER note_{table}_{name} AFTER {event} ON {table} BEGIN {note}; END"


def _for_postgres(table: str) -> Iterator[str]:
    noted_as, columns = NOTED[table]
    body = f"BEGIN {_note(noted_as, 'now()')}; RETURN NULL; END"
    yield f"CREATE OR REPLACE FUNCTION note_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    for event, name in _events(columns):
        yield (
            f"CREATE OR REPLACE TRIGGER note_{table}_{name} AFTER {event} ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION note_{table}()"
        )


def _note(noted_as: Watched, now: str) -> str:
    return f"INSERT INTO devices_registrychange (\"table\", at) VALUES ('{noted_as}', {now})"  # noqa: S608 our own words


def _events(columns: tuple[str, ...]) -> list[tuple[str, str]]:
    return [("INSERT", "insert"), (f"UPDATE OF {', '.join(columns)}", "update"), ("DELETE", "delete")]
