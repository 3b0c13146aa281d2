"""Counts what committed batches cost to send, and writes the counts down every few seconds.

The ingest writer's thread only adds integers in memory. A thread of its own prices them and stores one row per device,
hop and minute in a single upsert that adds, so that several ingest processes can share a minute. What was counted since
the last flush is lost when the process is killed: the books of energy may miss seconds, readings never do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum
from django.utils import timezone

from devices.energy.cost import SEAL_BYTES, Cost, message_cost
from devices.energy.links import LINKS
from devices.energy.traffic import Traffic, traffic_of
from devices.models import Device, EnergyUsage, Hop, Span
from devices.telemetry import ReadingBatch

log = logging.getLogger(__name__)
Key = tuple[int, int]  # device id, minute since the Unix epoch


# All of 500 devices in one go took the interpreter's lock for 180 ms, and every answer to a gateway waited.
KEYS_A_PART = 25
PAUSE_S = 0.05
CONDENSE_EVERY_S = 600.0
SUMS = ["messages", "readings", "payload_bytes", "overhead_bytes", "radio_j", "cpu_j", "security_j"]
HOUR_SUMS = [*SUMS, "minutes"]


class Meter:
    """Counts in memory, thread-safe: `count` is called by the writer, `take` by the thread that stores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[Key, Traffic] = {}

    def count(self, batch: ReadingBatch) -> None:
        """Add what the batch carried."""
        minute = int(batch.received_at // 60)
        sent = traffic_of(batch)
        with self._lock:
            for device, traffic in sent.items():
                self._counted.setdefault((device, minute), Traffic()).add(traffic)

    def take(self) -> dict[Key, Traffic]:
        """Return the counts and start again from nothing."""
        with self._lock:
            counted, self._counted = self._counted, {}
        return counted


meter = Meter()


def bursts_of(counted: Mapping[Key, Traffic]) -> dict[int, int]:
    """Return gateway id -> in how many batches devices of it appeared."""
    bursts: dict[int, int] = {}
    for traffic in counted.values():
        bursts[traffic.gateway] = bursts.get(traffic.gateway, 0) + traffic.bursts
    return bursts


def price(
    counted: Mapping[Key, Traffic], window_s: float, per_gateway: Mapping[int, int] | None = None
) -> list[EnergyUsage]:
    """Return the rows for what was counted within `window_s` seconds. Devices that left the registry are dropped.

    Messages are taken as evenly spread over the window, and each hop's tail as shared by all that use it.
    per_gateway: what `bursts_of` says of everything counted, where `counted` is only a part of it.
    """
    wanted = {device for device, _ in counted}
    devices = Device.objects.select_related("gateway", "patient").in_bulk(wanted)
    per_gateway = bursts_of(counted) if per_gateway is None else per_gateway
    rows = []
    for (device_id, minute), traffic in counted.items():
        device = devices.get(device_id)
        if device is not None and traffic.messages:
            at = datetime.fromtimestamp(minute * 60, tz=UTC)
            rows.append(_usage(device, Hop.DEVICE, device.link, at, traffic, window_s / traffic.bursts))
            gap_s = window_s / per_gateway[traffic.gateway]
            rows.append(_usage(device, Hop.UPLINK, device.gateway.link, at, traffic, gap_s))
    return rows


def _usage(device: Device, hop: Hop, link: str, minute: datetime, traffic: Traffic, gap_s: float) -> EnergyUsage:
    sealed = hop is Hop.UPLINK
    known = LINKS.get(link)
    cost = Cost()  # a link without figures costs nothing rather than something invented
    if known is not None:
        each = traffic.payload_bytes / traffic.messages
        cost = message_cost(known, each, sealed=sealed, gap_s=gap_s).times(traffic.messages)
    return EnergyUsage(
        device=device,
        hop=hop,
        link=link,
        starts_at=minute,
        patient=device.patient,
        ward_id=device.patient.ward_id if device.patient else device.gateway.ward_id,
        messages=traffic.messages,
        readings=traffic.readings,
        payload_bytes=traffic.payload_bytes,
        overhead_bytes=SEAL_BYTES * traffic.messages if sealed else 0,
        radio_j=cost.radio_j,
        cpu_j=cost.cpu_j,
        security_j=cost.security_j,
    )


@transaction.atomic
def store(rows: Sequence[EnergyUsage], sums: Sequence[str] = SUMS) -> int:
    """Add the rows' `sums` to what is there and return how many rows there were.

    Written as SQL because `bulk_create(update_conflicts=True)` replaces where this must add.
    """
    fields = [field for field in EnergyUsage._meta.concrete_fields if not field.primary_key]
    table = EnergyUsage._meta.db_table
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    sql = (
        f"INSERT INTO {table} ({', '.join(str(field.column) for field in fields)}) "  # noqa: S608 (our own names)
        f"VALUES ({', '.join(['%s'] * len(fields))}) "
        f"ON CONFLICT (device_id, hop, link, span_s, starts_at) DO UPDATE SET {added}"
    )
    values = [[field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields] for row in rows]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(sql, values)
    return len(rows)


def flush(window_s: float) -> int:
    """Price and store everything counted so far, a part at a time; return the number of rows."""
    counted = meter.take()
    bursts, keys = bursts_of(counted), list(counted)
    rows = 0
    for start in range(0, len(keys), KEYS_A_PART):
        if start:
            time.sleep(PAUSE_S)
        part = {key: counted[key] for key in keys[start : start + KEYS_A_PART]}
        rows += store(price(part, window_s, bursts))
    return rows


@transaction.atomic
def condense(now: datetime) -> int:
    """Sum up the minutes before the last whole hour into hours; return how many hours were touched.

    An hour in which a device changed its patient counts for the one it left.
    """
    until = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    old = EnergyUsage.objects.filter(span_s=Span.MINUTE, starts_at__lt=until)
    first = old.order_by("starts_at").values_list("starts_at", flat=True).first()
    touched = 0
    while first is not None:
        hour = first.replace(minute=0)
        within = old.filter(starts_at__lt=hour + timedelta(hours=1))
        # Locked first: two processes that condense at once would otherwise both add the same minutes.
        list(within.select_for_update().values_list("pk"))
        sums = {name: Sum(name) for name in HOUR_SUMS}
        groups = within.order_by("patient").values("device_id", "hop", "link", "patient_id", "ward_id").annotate(**sums)
        touched += store([EnergyUsage(starts_at=hour, span_s=Span.HOUR, **group) for group in groups], HOUR_SUMS)
        within.delete()
        first = old.order_by("starts_at").values_list("starts_at", flat=True).first()
    return touched


class Flusher(threading.Thread):
    """Flushes every `period_s` until the process ends, and condenses now and then.

    A failed flush costs that window's figures and is logged.
    """

    def __init__(self, period_s: float) -> None:
        super().__init__(name="energy", daemon=True)
        self._period_s = period_s
        self._condense_at = 0.0

    def run(self) -> None:
        """Wait, work, give the connection back, repeat."""
        while True:
            time.sleep(self._period_s)
            try:
                self.work(time.monotonic())
            finally:
                connection.close()

    def work(self, now_s: float) -> None:
        """Flush, and condense when it is due. now_s: on the monotonic clock."""
        try:
            flush(self._period_s)
            if now_s >= self._condense_at:
                condense(timezone.now())
                self._condense_at = now_s + CONDENSE_EVERY_S
        except DatabaseError:
            log.warning("energy figures of the last %s s are lost", self._period_s, exc_info=True)


_flusher: Flusher | None = None


def count_accepted(batch: ReadingBatch, **_: object) -> None:
    """Receive `readings_accepted`. The first batch of a process starts the thread that stores."""
    global _flusher
    meter.count(batch)
    if settings.ENERGY_FLUSH_S > 0 and _flusher is None:
        _flusher = Flusher(settings.ENERGY_FLUSH_S)
        _flusher.start()
