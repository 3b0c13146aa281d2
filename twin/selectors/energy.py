"""Energy, added up in the database: two passes over the minutes of the period, however many pages ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from django.db.models import F, Min, QuerySet, Sum

from compliance.models import Patient, User
from compliance.selectors import scope_for, within_scope
from devices.models import Device, EnergyUsage
from twin.selectors.analytics import BUCKETS, MINUTE, Bucket, Filters, bucket_start

MINUTES_PER_DAY = 1440
FIELDS = ("messages", "readings", "payload_bytes", "overhead_bytes", "radio_j", "cpu_j", "security_j")
K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Sums:
    """What was sent and what it cost."""

    messages: int = 0
    readings: int = 0
    payload_bytes: int = 0
    overhead_bytes: int = 0
    radio_j: float = 0.0
    cpu_j: float = 0.0
    security_j: float = 0.0
    minutes: int = 0  # the longest-watched device's minutes with traffic

    @property
    def joules(self) -> float:
        """Radio and processor together."""
        return self.radio_j + self.cpu_j

    @property
    def joules_per_message(self) -> float:
        """Mean energy of one message, 0 where there was none."""
        return self.joules / self.messages if self.messages else 0.0

    def add(self, row: dict[str, Any]) -> None:
        """Add one aggregated row; minutes of devices that send side by side do not add up."""
        for name in FIELDS:
            setattr(self, name, getattr(self, name) + row[name])
        self.minutes = max(self.minutes, int(row["minutes"]))


@dataclass(frozen=True, slots=True)
class DeviceEnergy:
    """A device and what it used."""

    device: Device
    sums: Sums


@dataclass(frozen=True, slots=True)
class PatientEnergy:
    """A patient and what the devices around them used."""

    patient: Patient
    sums: Sums

    @property
    def joules_per_day(self) -> float:
        """Joules per day of monitoring; half a day's worth is doubled."""
        return self.sums.joules / self.sums.minutes * MINUTES_PER_DAY if self.sums.minutes else 0.0


@dataclass(frozen=True, slots=True)
class EnergySummary:
    """Everything the energy page shows. series: (bucket start, link) -> J."""

    total: Sums
    uplink: Sums  # the sealed hop alone: there the share of security is measured
    series: dict[tuple[datetime, str], float]
    links: dict[str, Sums]
    uplinks: dict[str, Sums]  # of the sealed hop alone, and of patients' devices alone
    devices: list[DeviceEnergy]
    patients: list[PatientEnergy] = field(default_factory=list)
    bucket: timedelta = BUCKETS[MINUTE]  # of the series

    @property
    def patient_days(self) -> float:
        """How long patients were monitored, added up."""
        return sum(entry.sums.minutes for entry in self.patients) / MINUTES_PER_DAY

    @property
    def joules_per_patient_day(self) -> float | None:
        """Mean over all patients, weighted by how long each was monitored."""
        joules = sum(entry.sums.joules for entry in self.patients)
        return joules / self.patient_days if self.patient_days else None


def usage_for(user: User, filters: Filters) -> QuerySet[EnergyUsage]:
    """Return the minutes that `user` may see and asks for."""
    scope = scope_for(user, "twin.view_analytics")
    found = within_scope(EnergyUsage.objects.filter(starts_at__gte=filters.since()), scope, "patient", "ward_id")
    if filters.ward_id is not None:
        found = found.filter(ward_id=filters.ward_id)
    return found.filter(device__kind=filters.kind) if filters.kind else found


def energy_summary(user: User, filters: Filters) -> EnergySummary:
    """Return the sums of the period, by time, link, device and patient."""
    usage = usage_for(user, filters)
    rows = cast(
        list[dict[str, Any]],
        list(
            usage.values("patient_id", "device_id", "hop", "link")
            .annotate(minutes=Sum("minutes"), **{name: Sum(name) for name in FIELDS})
            .order_by()
        ),
    )
    digits = filters.digits(usage.aggregate(first=Min("starts_at"))["first"])
    names = Patient.objects.in_bulk({row["patient_id"] for row in rows if row["patient_id"]})
    devices = Device.objects.in_bulk({row["device_id"] for row in rows})
    by_patient = _added((row for row in rows if row["patient_id"]), lambda row: row["patient_id"])
    by_device = _added(rows, lambda row: row["device_id"])
    return EnergySummary(
        total=_added(rows, lambda _: None).get(None, Sums()),
        uplink=_added((row for row in rows if row["hop"] == "uplink"), lambda _: None).get(None, Sums()),
        series=_series(usage, digits),
        bucket=BUCKETS[digits],
        links=_added(rows, lambda row: row["link"]),
        uplinks=_added((row for row in rows if row["hop"] == "uplink" and row["patient_id"]), lambda row: row["link"]),
        devices=sorted(
            (DeviceEnergy(devices[key], sums) for key, sums in by_device.items()), key=lambda entry: -entry.sums.joules
        ),
        patients=sorted(
            (PatientEnergy(names[key], sums) for key, sums in by_patient.items()), key=lambda entry: -entry.sums.joules
        ),
    )


def _series(usage: QuerySet[EnergyUsage], digits: int) -> dict[tuple[datetime, str], float]:
    rows = (
        usage.annotate(bucket=Bucket("starts_at", digits))
        .values("bucket", "link")
        .annotate(joules=Sum(F("radio_j") + F("cpu_j")))
        .order_by("bucket", "link")
    )
    return {(bucket_start(row["bucket"]), row["link"]): row["joules"] for row in rows}


def _added(rows: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], K]) -> dict[K, Sums]:
    found: dict[K, Sums] = defaultdict(Sums)
    for row in rows:
        found[key(row)].add(row)
    return dict(found)
