"""Take out of PostgreSQL what belongs to one person: what `PostgresStore.erase` does in its transaction."""

from __future__ import annotations

from typing import Any

import psycopg

from devices.telemetry import postgres_frames as frames
from devices.telemetry.batch import BUCKET_S
from devices.telemetry.erasing import Aged, Worn, conditions, without
from devices.telemetry.lanes import device_of, streams_of

Connection = psycopg.Connection[tuple[Any, ...]]
READINGS, BLOCKS = conditions("%%(%s)s", "least")
AGED = {
    Aged.READINGS: f"span where (bucket + 1) * {BUCKET_S} <= %(t)s and device <> all(%(spared)s::bigint[])",
    Aged.WAVEFORMS: "waveform where t0 < %(t)s and device <> all(%(spared)s::bigint[])",
}
DROP_BLOCK_COPIES = """delete from copy using waveform where waveform.device = copy.device
and waveform.seq = copy.seq and waveform.t0 < %s and waveform.device <> all(%s::bigint[])"""


def erase(db: Connection, worn: Worn, limit: int) -> int:
    """Delete at most `limit` readings with the frames that brought them, then blocks and newest values."""
    values = {**worn._asdict(), "limit": limit}
    chosen = f"select seq, received from reading where {READINGS} order by seq limit %(limit)s"  # noqa: S608
    rows = db.execute(chosen, values).fetchall()
    if rows:
        seqs = [seq for seq, _ in rows]
        mine = "copy where device = %s and seq = any(%s::bigint[])"
        brought = db.execute(f"select copy, received from {mine}", (worn.device, seqs)).fetchall()  # noqa: S608
        _cut_frames(db, worn.device, rows + brought)  # frames of other paths hold these readings as well
        db.execute(f"delete from {mine}", (worn.device, seqs))  # noqa: S608
        db.execute("delete from reading where device = %s and seq = any(%s::bigint[])", (worn.device, seqs))
        return len(rows)
    blocks = f"select seq from waveform where {BLOCKS}"  # noqa: S608
    db.execute(f"delete from copy where device = %(device)s and seq in ({blocks})", values)  # noqa: S608
    gone = db.execute(f"delete from waveform where {BLOCKS}", values).rowcount  # noqa: S608
    gone += db.execute(f"delete from latest where {READINGS}", values).rowcount  # noqa: S608
    whole = f"bucket * {BUCKET_S} >= %(t_from)s and (bucket + 1) * {BUCKET_S} <= %(t_to)s"
    values["streams"] = streams_of([worn.device])
    mine = "device = any(%(streams)s::bigint[])"
    return gone + db.execute(f"delete from span where {whole} and {mine}", values).rowcount  # noqa: S608


def _cut_frames(db: Connection, device: int, rows: list[tuple[Any, ...]]) -> None:
    by_time: dict[float, list[int]] = {}
    for seq, received in rows:
        by_time.setdefault(received, []).append(seq)
    for received, seqs in by_time.items():
        for stored in frames.received_at(db, received):
            if (left := without(stored.group, device, seqs)) is not None:
                changed = (left.entries.tobytes(), left.frames, stored.number)
                db.execute("update frame_group set entries = %s, frames = %s where number = %s", changed)


def count_aged(db: Connection, what: Aged, t: float, spared: list[int]) -> int:
    """Return how many spans or blocks are older than `t`."""
    values = {"t": t, "spared": _spared(what, spared)}
    return int(db.execute(f"select count(*) from {AGED[what]}", values).fetchone()[0])  # type: ignore[index]  # noqa: S608


def _spared(what: Aged, devices: list[int]) -> list[int]:
    return streams_of(devices) if what is Aged.READINGS else devices


def drop_aged(db: Connection, what: Aged, t: float, spared: list[int], limit: int) -> int:
    """Delete at most `limit` spans with their readings, or blocks, older than `t`; return how many."""
    values = {"t": t, "spared": _spared(what, spared), "limit": limit}
    if what is Aged.WAVEFORMS:
        chosen = f"select device, seq from {AGED[what]} limit %(limit)s"  # noqa: S608
        rows = db.execute(chosen, values).fetchall()
        for table in ("waveform", "copy"):
            db.cursor().executemany(f"delete from {table} where device = %s and seq = %s", rows)  # noqa: S608
        return len(rows)
    older = f"select device, bucket, first_seq, last_seq from {AGED[what]} limit %(limit)s"  # noqa: S608
    rows = db.execute(older, values).fetchall()
    # A span may hold numbers of another time too, where a device's clock jumped: those stay until they are old.
    old = "from reading where device = %s and seq between %s and %s and t < %s"
    ranges = [(device_of(stream), first, last, t) for stream, _, first, last in rows]
    db.cursor().executemany(f"delete from copy where (device, seq) in (select device, seq {old})", ranges)  # noqa: S608
    db.cursor().executemany(f"delete {old}", ranges)
    db.cursor().executemany("delete from span where device = %s and bucket = %s", [row[:2] for row in rows])
    return len(rows)
