"""Keep who wore which device when, whoever changes it: triggers write the spans and refuse spans that overlap.

A service can be gone around (a bulk update, another program, somebody at the database's prompt), and a reading shown to
the wrong person cannot be taken back. Like the triggers of registry_watch they are put up again after every migration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connections

from devices.models import Device, DeviceAssignment

DEVICES, SPANS = Device._meta.db_table, DeviceAssignment._meta.db_table
OVERLAP = "a device has one patient at a time"
# A change of patient that a service has written already (with a finer clock than SQLite has) is not written again.
_WRITTEN = f"""EXISTS (SELECT 1 FROM {SPANS} WHERE device_id = NEW.id AND ends_at IS NULL
    AND patient_id = NEW.patient_id)"""  # noqa: S608 our own words
_OVERLAPS = f"""EXISTS (SELECT 1 FROM {SPANS} AS held WHERE held.device_id = NEW.device_id AND held.id <> NEW.id
    AND (held.ends_at IS NULL OR held.ends_at > NEW.starts_at)
    AND (NEW.ends_at IS NULL OR NEW.ends_at > held.starts_at))"""  # noqa: S608


def put_up_assignment_triggers(using: str, **_kwargs: Any) -> None:
    """Create the triggers where the tables are there. Meant for Django's `post_migrate`."""
    connection = connections[using]
    if not {DEVICES, SPANS} <= set(connection.introspection.table_names()):
        return
    build = _for_postgres if connection.vendor == "postgresql" else _for_sqlite
    with connection.cursor() as cursor:
        for statement in build():
            cursor.execute(statement)


def _moved(now: str, later: str) -> tuple[str, str]:
    """Return the statements that close the open span and begin the next; `later`: the greater of two values."""
    close = f"UPDATE {SPANS} SET ends_at = {later}(starts_at, {now}) WHERE device_id = NEW.id AND ends_at IS NULL"  # noqa: S608
    begin = f"""INSERT INTO {SPANS} (device_id, patient_id, starts_at)
        SELECT NEW.id, NEW.patient_id,
            {later}({now}, COALESCE((SELECT max(ends_at) FROM {SPANS} WHERE device_id = NEW.id), {now}))
        WHERE NEW.patient_id IS NOT NULL"""  # noqa: S608
    return close, begin


def _for_sqlite() -> Iterator[str]:
    # Its clock counts milliseconds; times are text as Django writes it.
    close, begin = _moved("strftime('%Y-%m-%d %H:%M:%f000', 'now')", "max")
    moved = f"OLD.patient_id IS NOT NEW.patient_id AND NOT {_WRITTEN}"
    for name, event, when in (
        ("insert", "INSERT", "NEW.patient_id IS NOT NULL"),
        ("update", "UPDATE OF patient_id", moved),
    ):
        yield f"DROP TRIGGER IF EXISTS assign_{name}"
        yield f"CREATE TRIGGER assign_{name} AFTER {event} ON {DEVICES} WHEN {when} BEGIN {close}; {begin}; END"
    for name, event in (("insert", "INSERT"), ("update", "UPDATE OF device_id, starts_at, ends_at")):
        yield f"DROP TRIGGER IF EXISTS overlap_{name}"
        yield (
            f"CREATE TRIGGER overlap_{name} AFTER {event} ON {SPANS} WHEN {_OVERLAPS} "
            f"BEGIN SELECT RAISE(ABORT, '{OVERLAP}'); END"
        )


def _for_postgres() -> Iterator[str]:
    close, begin = _moved("clock_timestamp()", "greatest")
    body = f"BEGIN IF NOT {_WRITTEN} THEN {close}; {begin}; END IF; RETURN NULL; END"
    yield f"CREATE OR REPLACE FUNCTION assign_device() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    yield (
        f"CREATE OR REPLACE TRIGGER assign_insert AFTER INSERT ON {DEVICES} "
        "FOR EACH ROW WHEN (NEW.patient_id IS NOT NULL) EXECUTE FUNCTION assign_device()"
    )
    yield (
        f"CREATE OR REPLACE TRIGGER assign_update AFTER UPDATE OF patient_id ON {DEVICES} "
        "FOR EACH ROW WHEN (OLD.patient_id IS DISTINCT FROM NEW.patient_id) EXECUTE FUNCTION assign_device()"
    )
    # The lock makes two writers who cannot see each other's rows wait for one another.
    refuse = f"RAISE EXCEPTION '{OVERLAP}' USING ERRCODE = 'exclusion_violation'"
    body = (
        f"BEGIN PERFORM 1 FROM {DEVICES} WHERE id = NEW.device_id FOR NO KEY UPDATE; "
        f"IF {_OVERLAPS} THEN {refuse}; END IF; RETURN NULL; END"
    )
    yield f"CREATE OR REPLACE FUNCTION refuse_overlap() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    yield (
        f"CREATE OR REPLACE TRIGGER overlap AFTER INSERT OR UPDATE OF device_id, starts_at, ends_at ON {SPANS} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_overlap()"
    )
