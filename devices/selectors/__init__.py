"""Reads of the registry, and what the newest readings say about the health of each thing.

Readings arrive as arguments: the telemetry store is opened by the view that needs it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial

from django.db.models import Count, Q, QuerySet, Sum

from compliance.models import Event, Patient, User
from compliance.selectors import scope_for, within_scope
from compliance.selectors.identities import those_who
from devices.energy.words import energy
from devices.kinds.registry import KINDS, DeviceKind, Form, Measurement, by_key
from devices.models import Device, DeviceState, EdgeFact, EnergyUsage, Gateway, GatewayState
from devices.protocol.facts import QUIET, FactKind
from devices.selectors.attested import Attested, attested
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
        reading = self.battery
        return reading.value if reading is not None else None

    @property
    def battery(self) -> Reading | None:
        """The reading of the charge, if it is known and recent enough to be believed."""
        return None if self.silent else self.newest.get(BATTERY)

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
    attested: Attested


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


def devices_for(user: User, action: str = VIEW, *, once_confirmed: bool = False) -> QuerySet[Device]:
    """Return the devices on which `user` may do `action` now: the same answer as the object check of each.

    once_confirmed: with those for which a fresh second factor is asked.
    """
    rows = Device.objects.select_related("gateway__ward", "patient")
    return within_scope(rows, scope_for(user, action, once_confirmed=once_confirmed), ward_field="gateway__ward_id")


def gateways_for(user: User, action: str = VIEW, *, once_confirmed: bool = False) -> QuerySet[Gateway]:
    """Return the gateways on which `user` may do `action`; once_confirmed as for `devices_for`."""
    rows = Gateway.objects.select_related("ward")
    scope = scope_for(user, action, once_confirmed=once_confirmed)
    return within_scope(rows, scope, patient_field=None, ward_field="ward_id")


def matching(devices: QuerySet[Device], *, text: str = "", kind: str = "", state: str = "") -> QuerySet[Device]:
    """Keep the devices that the filters name; an empty filter keeps everything."""
    words = text.split()
    wearers = Patient.objects.filter(pk__in=devices.order_by().values("patient_id")) if words else None
    for word in words:
        named = those_who(wearers, partial(_is_called, word.casefold())) if wearers is not None else []
        devices = devices.filter(
            Q(label__icontains=word)
            | Q(serial__icontains=word)
            | Q(gateway__name__icontains=word)
            | Q(patient_id__in=named)
        )
    if kind:
        devices = devices.filter(kind=kind)
    return devices.filter(state=state) if state else devices


def _is_called(word: str, patient: Patient) -> bool:
    return word in patient.given_name.casefold() or word in patient.family_name.casefold()


def device_rows(devices: Iterable[Device], latest: Iterable[Reading], now: datetime) -> list[DeviceRow]:
    """Join devices with their newest readings."""
    heard: dict[int, dict[int, Reading]] = defaultdict(dict)
    for reading in latest:
        heard[reading.device][reading.metric] = reading
    return [DeviceRow(device, now, heard.get(device.pk, {})) for device in devices]


def gateway_rows(gateways: QuerySet[Gateway], now: datetime) -> list[GatewayRow]:
    """Return the gateways, silent ones first."""
    counted = gateways.annotate(device_count=Count("devices", filter=~Q(devices__state=DeviceState.RETIRED)))
    standing = attested(gateway.pk for gateway in counted)
    rows = [GatewayRow(gateway, is_up(gateway, now), gateway.device_count, standing[gateway.pk]) for gateway in counted]
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


def facts_of(device: Device, patient: Patient | None) -> list[EdgeFact]:
    """Return the newest twenty things that the gateway did about the device while its wearer of today wore it."""
    passing = {*QUIET, FactKind.SET}  # what each says last stands in a line of its own
    return list(EdgeFact.objects.filter(device=device, patient=patient).exclude(kind__in=passing)[:20])


def clock_of(device: Device) -> EdgeFact | None:
    """Return what the gateway that it is at now last said of the device's clock."""
    return _told_last(device, FactKind.CLOCK)


def sending_of(device: Device) -> EdgeFact | None:
    """Return how the gateway that it is at now said last that it sends the device's readings, and why."""
    return _told_last(device, FactKind.SENDING)


def _told_last(device: Device, kind: FactKind) -> EdgeFact | None:
    """Return what came last, whatever a gateway's clock says. Facts without a gateway are of before that was noted."""
    by_it = Q(gateway=None) | Q(gateway=device.gateway_id)
    return EdgeFact.objects.filter(by_it, device=device, kind=kind).order_by("-received_at", "-pk").first()


def kinds_behind(gateway_id: int) -> set[str]:
    """Return the kinds of the devices whose readings a gateway sends."""
    heard = Device.objects.filter(gateway=gateway_id).exclude(state=DeviceState.RETIRED)
    return set(heard.values_list("kind", flat=True).distinct().order_by())


def gateway_events(gateway: Gateway) -> list[Event]:
    """Return the newest fifty events about the gateway itself; what its devices did is on their pages."""
    return list(Event.objects.filter(gateway_id=gateway.pk, device_id=None).select_related("user")[:50])
