"""Reads of the registry, and what the newest readings say about the health of each thing.

Readings arrive as arguments: the telemetry store is opened by the view that needs it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.db.models import Count, Q, QuerySet, Sum

from compliance.models import Event, User
from compliance.selectors import scope_for
from devices.energy.words import energy
from devices.kinds.registry import KINDS, DeviceKind, Form, Measurement, by_key
from devices.models import Device, DeviceState, EnergyUsage, Gateway, GatewayState
from devices.telemetry import Reading

VIEW = "devices.view_device"
GATEWAY_SILENT_AFTER = timedelta(seconds=30)  # ingest notes every 10 s that a gateway is still there
PERIODS_MISSED = 3  # a device is silent when its slowest measurement stayed away three times over
LEAST_PATIENCE_S = 60.0
LOW_BATTERY_PERCENT = 20.0
BATTERY = by_key("battery").code
ENERGY_SPAN = timedelta(hours=24)


class Health(StrEnum):
    """What an administrator must know first."""

    WELL = "well"
    LOW_BATTERY = "low battery"
    SILENT = "silent"
    UNHEARD = "not heard yet"
    QUARANTINED = "quarantined"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    """One line of a device's measurement table, with its newest reading."""

    measurement: Measurement
    newest: Reading | None

    @property
    def code(self) -> str:
        """Partition and term of the ISO/IEEE 11073-10101 code."""
        return f"{self.measurement.code >> 16}::{self.measurement.code & 0xFFFF}"

    @property
    def value(self) -> str:
        """The newest value as people read it."""
        if self.newest is None:
            return "–"
        if self.measurement.kind is Form.ENUMERATION:
            return self.measurement.values.get(int(self.newest.value), f"{self.newest.value:g}")
        return f"{self.newest.value:.{self.measurement.decimals}f}"

    @property
    def heard_at(self) -> datetime | None:
        """When it was measured, by the device's clock."""
        return None if self.newest is None else datetime.fromtimestamp(self.newest.t, tz=UTC)


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device and what was last heard from it."""

    device: Device
    now: datetime
    newest: dict[int, Reading] = field(default_factory=dict)  # metric code -> reading

    @property
    def kind(self) -> DeviceKind | None:
        """The device's kind, or None for a folder that is gone."""
        return KINDS.get(self.device.kind)

    @property
    def heard_at(self) -> datetime | None:
        """When the server last received anything."""
        received = [reading.received for reading in self.newest.values()]
        return datetime.fromtimestamp(max(received), tz=UTC) if received else None

    @property
    def battery_percent(self) -> float | None:
        """Charge, if it is known and recent enough to be believed."""
        reading = self.newest.get(BATTERY)
        return reading.value if reading is not None and not self.silent else None

    @property
    def silent(self) -> bool:
        """Tell whether the device should have been heard from by now."""
        heard = self.heard_at
        return heard is None or (self.now - heard).total_seconds() > patience_s(self.kind)

    @property
    def health(self) -> Health:
        """The most important thing to know."""
        if self.device.state != DeviceState.ACTIVE:
            return Health(self.device.state)
        if self.heard_at is None:
            return Health.UNHEARD
        if self.silent:
            return Health.SILENT
        low = self.battery_percent is not None and self.battery_percent < LOW_BATTERY_PERCENT
        return Health.LOW_BATTERY if low else Health.WELL

    def measurements(self) -> list[MeasurementRow]:
        """Return the kind's table with the newest readings."""
        known = self.kind.measurements if self.kind else ()
        return [MeasurementRow(measurement, self.newest.get(measurement.code)) for measurement in known]


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A gateway, whether it is there, and how many devices speak through it."""

    gateway: Gateway
    up: bool
    devices: int


def patience_s(kind: DeviceKind | None) -> float:
    """Return for how long a device of that kind may stay quiet, in s."""
    periods = (
        [m.period_s for m in kind.measurements if m.kind is not Form.WAVEFORM and m.key != "battery"] if kind else []
    )
    return max([LEAST_PATIENCE_S, *(PERIODS_MISSED * period for period in periods)])


def is_up(gateway: Gateway, now: datetime) -> bool:
    """Tell whether an active gateway was heard a moment ago."""
    heard = gateway.last_seen_at
    return gateway.state == GatewayState.ACTIVE and heard is not None and heard > now - GATEWAY_SILENT_AFTER


def devices_for(user: User, action: str = VIEW) -> QuerySet[Device]:
    """Return the devices on which `user` may do `action`: the same answer as the object check of each."""
    scope = scope_for(user, action)
    inside = Q(patient_id__in=scope.patient_ids) | Q(gateway__ward_id__in=scope.ward_ids)
    return Device.objects.filter(inside).select_related("gateway__ward", "patient")


def gateways_for(user: User, action: str = VIEW) -> QuerySet[Gateway]:
    """Return the gateways on which `user` may do `action`."""
    return Gateway.objects.filter(ward_id__in=scope_for(user, action).ward_ids).select_related("ward")


def matching(devices: QuerySet[Device], *, text: str = "", kind: str = "", state: str = "") -> QuerySet[Device]:
    """Keep the devices that the filters name; an empty filter keeps everything."""
    for word in text.split():
        devices = devices.filter(
            Q(label__icontains=word)
            | Q(serial__icontains=word)
            | Q(gateway__name__icontains=word)
            | Q(patient__given_name__icontains=word)
            | Q(patient__family_name__icontains=word)
        )
    if kind:
        devices = devices.filter(kind=kind)
    return devices.filter(state=state) if state else devices


def device_rows(devices: Iterable[Device], latest: Iterable[Reading], now: datetime) -> list[DeviceRow]:
    """Join devices with their newest readings."""
    heard: dict[int, dict[int, Reading]] = defaultdict(dict)
    for reading in latest:
        heard[reading.device][reading.metric] = reading
    return [DeviceRow(device, now, heard.get(device.pk, {})) for device in devices]


def gateway_rows(gateways: QuerySet[Gateway], now: datetime) -> list[GatewayRow]:
    """Return the gateways, silent ones first."""
    counted = gateways.annotate(device_count=Count("devices", filter=~Q(devices__state=DeviceState.RETIRED)))
    rows = [GatewayRow(gateway, is_up(gateway, now), gateway.device_count) for gateway in counted]
    return sorted(rows, key=lambda row: (row.up, row.gateway.name))


@dataclass(frozen=True, slots=True)
class DeviceEnergy:
    """What a device's messages cost in 24 hours, both hops, in J."""

    messages: int
    joules: float
    security_j: float

    @property
    def total(self) -> str:
        """The energy with its unit."""
        return energy(self.joules)

    @property
    def each(self) -> str:
        """The mean energy of a message with its unit."""
        return energy(self.joules / self.messages if self.messages else 0.0)

    @property
    def security_percent(self) -> float:
        """The share that the seal took."""
        return 100 * self.security_j / self.joules if self.joules else 0.0


def energy_of(device: Device, now: datetime) -> DeviceEnergy:
    """Return what the device used in the last 24 hours."""
    sums = EnergyUsage.objects.filter(device=device, starts_at__gte=now - ENERGY_SPAN).aggregate(
        messages=Sum("messages", filter=Q(hop="uplink"), default=0),
        radio=Sum("radio_j", default=0.0),
        cpu=Sum("cpu_j", default=0.0),
        security=Sum("security_j", default=0.0),
    )
    return DeviceEnergy(sums["messages"], sums["radio"] + sums["cpu"], sums["security"])


def events_of(device: Device) -> list[Event]:
    """Return the newest twenty events that name the device."""
    return list(Event.objects.filter(device_id=device.pk).select_related("user")[:20])
