"""What the analytics pages share: filters that live in the URL, and time buckets that the database makes itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Func
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from compliance.models import User, Ward
from compliance.selectors import scope_for
from devices.kinds.registry import KINDS


@dataclass(frozen=True, slots=True)
class Period:
    """How far back a page looks.

    digits: how much of `2026-11-21 02:42` names a bucket: 10 a day, 13 an hour, 16 a minute.
    """

    key: str
    label: str
    length: timedelta
    digits: int


MINUTE = 16
BUCKETS = {10: timedelta(days=1), 13: timedelta(hours=1), MINUTE: timedelta(minutes=1)}
YOUNG = timedelta(hours=1)  # energy keeps its minutes at least that long
PERIODS: Mapping[str, Period] = MappingProxyType(
    {
        period.key: period
        for period in (
            Period("1h", "Last hour", timedelta(hours=1), 16),
            Period("24h", "Last 24 hours", timedelta(hours=24), 13),
            Period("7d", "Last 7 days", timedelta(days=7), 13),
            Period("30d", "Last 30 days", timedelta(days=30), 10),
        )
    }
)
DEFAULT_PERIOD = "24h"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a page shows. Anything unknown in a URL falls back to the default, so that an old link still opens."""

    period: Period = PERIODS[DEFAULT_PERIOD]
    ward_id: int | None = None
    kind: str | None = None

    @classmethod
    def read(cls, search: str | None, default_period: str = DEFAULT_PERIOD) -> Filters:
        """Return the filters in a URL's query, such as `?period=7d&ward=3&kind=cgm`."""
        asked = {name: values[-1] for name, values in parse_qs((search or "").lstrip("?")).items()}
        ward, kind = asked.get("ward", ""), asked.get("kind", "")
        return cls(
            period=PERIODS.get(asked.get("period", ""), PERIODS[default_period]),
            ward_id=int(ward) if ward.isascii() and ward.isdigit() and len(ward) < 19 else None,
            kind=kind if kind in KINDS else None,
        )

    def digits(self, first: datetime | None) -> int:
        """Return how much of a time names a bucket: minutes while `first`, the oldest there is, is young."""
        young = first is not None and first > timezone.now() - YOUNG
        return MINUTE if young else self.period.digits

    def since(self, now: datetime | None = None) -> datetime:
        """Return the moment the period starts, on a whole bucket, so that the first bar is not a stump."""
        start = (now or timezone.now()) - self.period.length
        return bucket_start(f"{start.astimezone(UTC):%Y-%m-%d %H:%M}"[: self.period.digits])


class Bucket(Func):
    """The start of a time bucket as text. On SQLite Django's Trunc runs Python for every row; this does not."""

    output_field = CharField()

    def __init__(self, expression: str, digits: int) -> None:
        super().__init__(expression)
        self.digits = digits

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        """Cut the ISO text in which SQLite keeps a UTC time."""
        return self.as_sql(compiler, connection, template=f"substr(%(expressions)s, 1, {self.digits})", **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        """Make the same text from a timestamp."""
        template = f"left(to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), {self.digits})"
        return self.as_sql(compiler, connection, template=template, **extra)


def bucket_start(text: str) -> datetime:
    """Return the moment at which the bucket of that name starts."""
    return datetime.fromisoformat(text + "2000-01-01 00:00"[len(text) :]).replace(tzinfo=UTC)


def wards_for(user: User, action: str = "twin.view_analytics") -> list[Ward]:
    """Return the wards of which `user` may see analytics."""
    scope = scope_for(user, action)
    patients = Ward.objects.filter(patients__in=scope.patient_ids)
    return list((Ward.objects.filter(pk__in=scope.ward_ids) | patients).distinct().order_by("name"))
