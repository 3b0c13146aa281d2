"""Take out of the telemetry file what belongs to one person: what `SqliteStore.erase` does in its transaction."""

from __future__ import annotations

import json
import sqlite3

from devices.telemetry import sqlite_frames as frames
from devices.telemetry.batch import BUCKET_S
from devices.telemetry.erasing import Aged, Worn, conditions, without
from devices.telemetry.lanes import device_of, streams_of

READINGS, BLOCKS = conditions(":%s", "min")
SPARED = "device not in (select value from json_each(:spared))"  # of spans the streams of a device
AGED = {
    Aged.READINGS: f"span where (bucket + 1) * {BUCKET_S} <= :t and {SPARED}",
    Aged.WAVEFORMS: f"waveform where t0 < :t and {SPARED}",
}
DROP_BLOCK_COPIES = """delete from copy where (device, seq) in (
select device, seq from waveform where t0 < ? and device not in (select value from json_each(?)))"""


def erase(db: sqlite3.Connection, worn: Worn, limit: int) -> int:
    """Delete at most `limit` readings with the frames that brought them, then blocks and newest values."""
    values = {**worn._asdict(), "limit": limit}
    chosen = f"select seq, received from reading where {READINGS} order by seq limit :limit"  # noqa: S608
    rows = db.execute(chosen, values).fetchall()
    if rows:
        pairs = [(worn.device, seq) for seq, _ in rows]
        _cut_frames(db, worn.device, rows + _copies(db, pairs))
        db.executemany("delete from reading where device = ? and seq = ?", pairs)
        db.executemany("delete from copy where device = ? and seq = ?", pairs)
        return len(rows)
    blocks = db.execute(f"select device, seq from waveform where {BLOCKS}", values).fetchall()  # noqa: S608
    db.executemany("delete from copy where device = ? and seq = ?", blocks)
    gone = db.execute(f"delete from waveform where {BLOCKS}", values).rowcount  # noqa: S608
    gone += db.execute(f"delete from latest where {READINGS}", values).rowcount  # noqa: S608
    whole = f"bucket * {BUCKET_S} >= :t_from and (bucket + 1) * {BUCKET_S} <= :t_to"
    mine = "device in (select value from json_each(:streams))"
    values["streams"] = json.dumps(streams_of([worn.device]))
    return gone + db.execute(f"delete from span where {whole} and {mine}", values).rowcount  # noqa: S608


def _copies(db: sqlite3.Connection, pairs: list[tuple[int, int]]) -> list[tuple[int, float]]:
    """Return what other paths brought of these readings: their frames hold them as well."""
    query = "select copy, received from copy where device = ? and seq = ?"
    return [row for pair in pairs for row in db.execute(query, pair)]


def _cut_frames(db: sqlite3.Connection, device: int, rows: list[tuple[int, float]]) -> None:
    by_time: dict[float, list[int]] = {}
    for seq, received in rows:
        by_time.setdefault(received, []).append(seq)
    for received, seqs in by_time.items():
        for stored in frames.received_at(db, received):
            if (left := without(stored.group, device, seqs)) is not None:
                changed = (left.entries.tobytes(), left.frames, stored.number)
                db.execute("update frame_group set entries = ?, frames = ? where number = ?", changed)


def count_aged(db: sqlite3.Connection, what: Aged, t: float, spared: list[int]) -> int:
    """Return how many spans or blocks are older than `t`."""
    values = {"t": t, "spared": _spared(what, spared)}
    return int(db.execute(f"select count(*) from {AGED[what]}", values).fetchone()[0])  # noqa: S608


def _spared(what: Aged, devices: list[int]) -> str:
    return json.dumps(streams_of(devices) if what is Aged.READINGS else devices)


def drop_aged(db: sqlite3.Connection, what: Aged, t: float, spared: list[int], limit: int) -> int:
    """Delete at most `limit` spans with their readings, or blocks, older than `t`; return how many."""
    values = {"t": t, "spared": _spared(what, spared), "limit": limit}
    if what is Aged.WAVEFORMS:
        chosen = f"select device, seq from {AGED[what]} limit :limit"  # noqa: S608
        rows = db.execute(chosen, values).fetchall()
        db.executemany("delete from waveform where device = ? and seq = ?", rows)
        db.executemany("delete from copy where device = ? and seq = ?", rows)
        return len(rows)
    chosen = f"select device, bucket, first_seq, last_seq from {AGED[what]} limit :limit"  # noqa: S608
    rows = db.execute(chosen, values).fetchall()
    # A span may hold numbers of another time too, where a device's clock jumped: those stay until they are old.
    old = "from reading where device = ? and seq between ? and ? and t < ?"
    ranges = [(device_of(stream), first, last, t) for stream, _, first, last in rows]
    db.executemany(f"delete from copy where (device, seq) in (select device, seq {old})", ranges)  # noqa: S608
    db.executemany(f"delete {old}", ranges)
    db.executemany("delete from span where device = ? and bucket = ?", [row[:2] for row in rows])
    return len(rows)
