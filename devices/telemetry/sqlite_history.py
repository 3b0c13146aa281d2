"""Readings by time in the telemetry file: the questions that `SqliteStore` asks, with their values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from devices.telemetry.batch import BUCKET_S
from devices.telemetry.store import bucket_width_s

Question = tuple[str, tuple[object, ...]]

_DEVICE_BITS = (1 << 32) - 1  # of a stream: a span's column `device` says by which path, too
# `cross join` keeps the order: the spans of the time, whose they are, and then the few rows that each one leads to.
_FOUND = f"""select reading.device, reading.seq, reading.metric, reading.t, reading.value, reading.received,
cast((reading.t - asked.t_from) / asked.width as integer) as part
from span cross join asked cross join reading
where span.bucket between ? and ? and asked.device = (span.device & {_DEVICE_BITS})
and reading.device = asked.device and reading.seq between span.first_seq and span.last_seq
and reading.t >= asked.t_from and reading.t < ? and reading.metric in (select value from json_each(?))
and reading.t >= span.bucket * {BUCKET_S} and reading.t < (span.bucket + 1) * {BUCKET_S}"""  # noqa: S608
_ALL = f"select device, seq, metric, t, value, received from ({_FOUND}) order by device, metric, t, seq"  # noqa: S608
# In SQLite the bare columns beside min() or max() come from the row that holds the extreme.
_EXTREMES = " union ".join(
    f"select device, seq, metric, t, {extreme}(value) as value, received from found group by device, metric, part"  # noqa: S608
    for extreme in ("min", "max")
)
_THINNED = f", found as materialized ({_FOUND}) select * from ({_EXTREMES}) order by device, metric, t, seq"  # noqa: S608


def readings(begins: Mapping[int, float], metrics: Iterable[int], t_to: float, max_points: int | None) -> Question:
    """Return the question for `TelemetryStore.lines`, and without `max_points` for every reading."""
    # Bound, not as JSON: SQLite reads a number's digits to the last bit or beside it.
    places = ", ".join(["(?, ?, ?)"] * len(begins))
    asked = [
        value
        for device, t_from in begins.items()
        for value in (device, t_from, bucket_width_s(t_from, t_to, max_points or 1))
    ]
    buckets = (math.floor(min(begins.values())) // BUCKET_S, math.floor(t_to) // BUCKET_S)
    rest = _ALL if max_points is None else _THINNED
    query = f"with asked(device, t_from, width) as materialized (values {places}) {rest}"
    return query, (*asked, *buckets, t_to, json.dumps([int(metric) for metric in metrics]))
