"""Readings by time in PostgreSQL: the questions that `PostgresStore` asks, with their values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from devices.telemetry.batch import BUCKET_S
from devices.telemetry.lanes import streams_of
from devices.telemetry.store import bucket_width_s

Question = tuple[str, tuple[object, ...]]

_DEVICE_BITS = (1 << 32) - 1  # of a stream: a span's column `device` says by which path, too
# `offset 0` keeps the planner from turning the spans' few index scans into one scan of the whole table.
# The streams are named a second time: a join alone is no condition by which the planner reads the index of spans.
_FOUND = f"""asked as materialized (
select * from unnest(%s::bigint[], %s::float8[], %s::float8[]) as one(device, t_from, width)),
found as (
select r.*, floor((r.t - asked.t_from) / asked.width) as part
from span join asked on asked.device = (span.device & {_DEVICE_BITS}) cross join lateral (
select device, seq, metric, t, value, received from reading where reading.device = asked.device
and reading.seq between span.first_seq and span.last_seq and reading.metric = any(%s::bigint[])
and reading.t >= greatest(asked.t_from, span.bucket * {BUCKET_S})
and reading.t < least(%s, (span.bucket + 1) * {BUCKET_S}) offset 0) as r
where span.bucket between %s and %s and span.device = any(%s::bigint[]))"""  # noqa: S608
_ALL = f"""with {_FOUND} select device, seq, metric, t, value, received from found
order by device, metric, t, seq"""  # noqa: S608
# Both ends of a part in one pass: arrays compare by value, then t, then seq, which is below 2^53 and so a whole double.
_THINNED = f"""with {_FOUND},
ends as (
select device, metric, min(array[value, t, seq, received]) as low, min(array[-value, t, seq, received]) as high
from found group by device, metric, part),
kept as (
select device, metric, low as row from ends
union all
select device, metric, array[-high[1], high[2], high[3], high[4]] from ends where high[3] <> low[3])
select device, row[3]::bigint as seq, metric, row[2] as t, row[1] as value, row[4] as received from kept
order by device, metric, t, seq"""  # noqa: S608


def readings(begins: Mapping[int, float], metrics: Iterable[int], t_to: float, max_points: int | None) -> Question:
    """Return the question for `TelemetryStore.lines`, and without `max_points` for every reading."""
    first, last = math.floor(min(begins.values())) // BUCKET_S, math.floor(t_to) // BUCKET_S
    starts = list(begins.values())
    widths = [bucket_width_s(start, t_to, max_points or 1) for start in starts]
    values = (list(begins), starts, widths, list(metrics), t_to, first, last, streams_of(begins))
    return _ALL if max_points is None else _THINNED, values
