"""Many gateways and devices at once, from a file: compared with the registry first, then registered, all or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from compliance.errors import DomainError
from compliance.models import Patient, User, Ward
from compliance.selectors import patients_for
from compliance.selectors.identities import with_number
from devices.kinds.registry import KINDS
from devices.models import Device, Gateway
from devices.provisioning.sheet import Row, Sheet
from devices.selectors.reach import CONFIGURE, hubs_of, wards_of
from devices.selectors.suites import suite_allowed
from devices.services.pairing import begin_pairing
from devices.services.registry import assign_device, register_device, register_gateway


class SheetRefused(DomainError):
    """Something in the file has to be changed first. Nothing was registered."""

    code = "sheet_refused"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file would do. rows: each with everything that is wrong with it; wearers: by record number."""

    rows: tuple[Row, ...]
    wearers: Mapping[str, Patient]
    wards: Mapping[str, Ward]
    hubs: Mapping[str, Gateway]

    @property
    def refused(self) -> int:
        """How many rows have to be changed."""
        return sum(1 for row in self.rows if row.wrong)

    @property
    def gateways(self) -> list[Row]:
        """The rows that are about gateways."""
        return [row for row in self.rows if row.is_gateway]

    @property
    def devices(self) -> list[Row]:
        """The rows that are about devices."""
        return [row for row in self.rows if not row.is_gateway]

    @property
    def shown(self) -> list[tuple[Row, Patient | None]]:
        """Each row with who would wear the device."""
        return [(row, self.wearers.get(row.patient)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What was registered."""

    gateways: Sequence[Gateway]
    devices: Sequence[Device]


def plan(sheet: Sheet, user: User) -> Plan:
    """Compare the file with the registry, as far as `user` reaches in it. Nothing is changed."""
    wards = {ward.name: ward for ward in wards_of(user)}
    hubs = {hub.name: hub for hub in hubs_of(user)}
    mine = patients_for(user, CONFIGURE, once_confirmed=True)
    numbers = {row.patient for row in sheet.rows if row.patient}
    wearers = {number: who for number in numbers if (who := with_number(number, mine).first()) is not None}
    named = [row.name for row in sheet.rows]
    # Of the whole house: a name or serial number is taken whoever has it.
    serials = set(Device.objects.filter(serial__in=named).values_list("serial", flat=True))
    names = set(Gateway.objects.filter(name__in=named).values_list("name", flat=True))
    coming = {row.gateway for row in sheet.rows if row.is_gateway}
    rows = tuple(
        row.but(*(_gateway_wrong(row, wards, names) if row.is_gateway else _device_wrong(row, hubs, coming, serials)))
        for row in sheet.rows
    )
    strangers = "Of the patients whom you reach, none has this record number: compare it, or leave the cell empty."
    rows = tuple(row.but(strangers) if row.patient and row.patient not in wearers else row for row in rows)
    return Plan(rows, wearers, wards, hubs)


def _gateway_wrong(row: Row, wards: Mapping[str, Ward], names: set[str]) -> Iterable[str]:
    if row.gateway in names:
        yield f"A gateway named {row.gateway} is already there: remove the line, or choose another name."
    if row.ward and row.ward not in wards:
        yield f"Of your wards none is named “{row.ward[:80]}”: write {_listed(wards)}."


def _device_wrong(row: Row, hubs: Mapping[str, Gateway], coming: set[str], serials: set[str]) -> Iterable[str]:
    if row.serial in serials:
        yield "A device with this serial number is already there: remove the line, or compare it with the device."
    if row.gateway and row.gateway not in hubs and row.gateway not in coming:
        yield f"There is no gateway “{row.gateway[:80]}” in your reach: register it, or add a line for it."
    if not suite_allowed(row.suite):
        yield f"{row.suite.facts.label} is there to be measured; this house does not let devices use it."


def _listed(names: Iterable[str]) -> str:
    return " or ".join(sorted(names)) or "nothing before an administrator has linked you to one"


def provision(sheet: Sheet, by: User) -> Provisioned:
    """Register everything in the file, each thing under its own event, or nothing. Raises SheetRefused."""
    try:
        with transaction.atomic():
            found = plan(sheet, by)
            if sheet.wrong or not found.rows or found.refused:
                raise SheetRefused
            made = [
                register_gateway(name=row.gateway, ward=found.wards[row.ward], link=row.link, by=by)
                for row in found.gateways
            ]
            hubs = {**found.hubs, **{hub.name: hub for hub in made}}
            return Provisioned(made, [_device(row, hubs[row.gateway], found, by) for row in found.devices])
    except SheetRefused:
        raise
    except DomainError as error:  # somebody registered the same thing in this very moment
        raise SheetRefused(f"Nothing was registered: {error.message}. Check the file once more.") from error


def _device(row: Row, hub: Gateway, found: Plan, by: User) -> Device:
    device, _key = register_device(
        serial=row.serial,
        kind=row.kind,
        label=row.label or KINDS[row.kind].label,
        gateway=hub,
        patient=None,
        link=row.link,
        suite=row.suite,
        by=by,
    )
    wearer = found.wearers.get(row.patient)
    return device if wearer is None else assign_device(device=device, patient=wearer, by=by)


def pairing_lines(owners: Sequence[Gateway | Device], *, server: str, by: User) -> list[list[str]]:
    """Make a code for each and return the lines of a table with them; no other place has them.

    server: `https://HOST`. Raises RegistrationRefused for what was taken out of use: then no code is made.
    """
    with transaction.atomic():
        made = [(owner, begin_pairing(owner=owner, server=server, by=by)) for owner in owners]
    return [
        [*_facts(owner), new.pairing.expires_at.isoformat(timespec="seconds"), new.address.uri()] for owner, new in made
    ]


def plain_lines(owners: Sequence[Gateway | Device]) -> list[list[str]]:
    """Return the lines of the same table without codes."""
    return [[*_facts(owner), "", ""] for owner in owners]


LINES_HEAD = ["kind", "number", "gateway", "serial", "label", "code_until", "pairing_address"]


def _facts(owner: Gateway | Device) -> list[str]:
    if isinstance(owner, Gateway):
        return ["gateway", str(owner.pk), owner.name, "", ""]
    return [owner.kind, str(owner.pk), owner.gateway.name, owner.serial, owner.label]
