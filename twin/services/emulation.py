"""Put an emulated ward into the registry and write what its gateway processes need.

Running it again changes nothing.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from compliance.models import Patient, Regimen, Ward
from compliance.selectors.identities import with_number
from devices.gateway.identity import write_private
from devices.gateway.pair import IDENTITY, pair
from devices.kinds.registry import KINDS
from devices.models import Device, DeviceState, Gateway
from devices.services.pairing import answer, begin_pairing
from devices.services.registry import register_device, register_gateway
from twin.physiology.cast import ARCHETYPES, Archetype, opening_script, person, running_script
from twin.physiology.people import Episode

PLANT = "twin.physiology.plants:build"
PATIENTS_PER_GATEWAY = 6
TIME_ZONE = "Europe/Berlin"
KEEP_EPISODES_S = 30 * 3600.0  # the emulator simulates a little over a day again at each start
BACKFILL_S = 3 * 3600.0
_ARCHETYPES = {archetype.text: archetype for archetype in ARCHETYPES}


@dataclass(frozen=True, slots=True)
class EmulatedGateway:
    """A gateway process to run: its name and its configuration file."""

    name: str
    config: Path


@transaction.atomic
def ensure_patients(ward: Ward, n: int) -> list[Patient]:
    """Return the first `n` invented patients of `ward`, adding those that are not there."""
    today = timezone.now().date()
    found = []
    for index in range(n):
        who = person(index, today)
        number = f"EMU-{ward.pk}-{index:04d}"
        patient = with_number(number).first() or Patient.objects.create(
            medical_record_number=number,
            given_name=who.given_name,
            family_name=who.family_name,
            birth_date=who.birth_date,
            sex=who.sex,
            weight_kg=who.weight_kg,
            ward=ward,
            bed=who.bed,
            time_zone=TIME_ZONE,
            conditions=who.archetype.text,
        )
        found.append(patient)
    return found


def prepare_ward(
    *,
    ward: Ward,
    patients: int,
    gateways: int | None,
    server: str,
    folder: Path,
    now: float,
    scripted: bool = True,
    over_bluetooth: int = 0,
    pages_from: int | None = None,
) -> list[EmulatedGateway]:
    """Register patients, gateways and devices of an emulated ward, write their files and return the gateways to run.

    `folder` holds a folder for each gateway with its key, configuration and queue, readable by this user alone.
    `gateways` None is one for every six patients. `now` is when the script of events begins, s since the Unix epoch.
    `over_bluetooth`: the devices of so many patients, the first ones, speak over a virtual Bluetooth link; all others
    over the in-process one, which costs less. `pages_from`: each gateway serves its own page, from this port on, and
    acts on its own: a pump stops at severe low glucose.
    """
    people = ensure_patients(ward, patients)
    count = gateways or -(-max(patients, 1) // PATIENTS_PER_GATEWAY)
    hubs = [_ensure_gateway(ward, number, folder) for number in range(count)]
    since = datetime.fromtimestamp(now - 2 * BACKFILL_S, tz=UTC)  # before the history that gateways bring along
    for index, patient in enumerate(people):
        for kind in _archetype(patient).devices:
            _ensure_device(kind, ward, index, hubs[index * count // len(people)][0], patient, since)
    _ensure_device("mr_scanner", ward, 0, hubs[0][0], None, since)
    later = running_script(patients, now) if scripted else {}
    scripts = {
        patient.pk: (opening_script(index, now) + later.get(index, []) if scripted else [])
        for index, patient in enumerate(people)
    }
    aired = {patient.pk for patient in people[:over_bluetooth]}
    pages = [None if pages_from is None else pages_from + number for number in range(count)]
    return [
        _write(gateway, place, server, people, scripts, now, aired, page)
        for (gateway, place), page in zip(hubs, pages, strict=True)
    ]


def _ensure_gateway(ward: Ward, number: int, folder: Path) -> tuple[Gateway, Path]:
    """Return the gateway and its folder. One whose folder was lost, or is from before pairings, is paired anew."""
    name = f"{ward.name} gateway {number + 1}"
    place = folder / f"ward-{ward.pk}-gateway-{number + 1}"
    gateway = Gateway.objects.filter(name=name).first()
    if gateway is not None and gateway.root_sealed is not None and (place / IDENTITY).exists():
        return gateway, place
    with transaction.atomic():
        gateway = gateway or register_gateway(name=name, ward=ward)
        (place / IDENTITY).unlink(missing_ok=True)
        pair(begin_pairing(owner=gateway, server="http://localhost").address, place, answer)
    return gateway, place


def _ensure_device(
    kind: str, ward: Ward, index: int, gateway: Gateway, patient: Patient | None, since: datetime
) -> None:
    """Register a device that is not there yet, worn since the past begins that its gateway brings along."""
    serial = f"EMU-{ward.pk}-{index:04d}-{kind}"
    if not Device.objects.filter(serial=serial).exists():
        link = "wired" if kind == "mr_scanner" else "ble"
        register_device(
            serial=serial,
            kind=kind,
            label=KINDS[kind].label,
            gateway=gateway,
            patient=patient,
            link=link,
            worn_since=since,
        )


def _write(
    gateway: Gateway,
    place: Path,
    server: str,
    people: Sequence[Patient],
    scripts: dict[Any, list[Episode]],
    now: float,
    aired: set[Any],
    page: int | None,
) -> EmulatedGateway:
    path = place / "config.json"
    devices = list(gateway.devices.filter(state=DeviceState.ACTIVE).order_by("pk"))
    past = _past_episodes(path, now)
    options = {
        "patients": [
            _described(patient, worn, past.get(_seed(patient), []) + [asdict(e) for e in scripts[patient.pk]])
            for patient in people
            if (worn := {d.kind: d.pk for d in devices if d.patient_id == patient.pk})
        ],
        "scanners": [device.pk for device in devices if device.kind == "mr_scanner"],
        "backfill_s": BACKFILL_S,
        "mark_file": str(place / "last-reading"),
    }
    config: dict[str, Any] = {
        "gateway_id": gateway.pk,
        "server": server,
        "identity_file": IDENTITY,
        "queue": "queue.sqlite3",
        "interval_s": 0.5,
        "devices": [_listed(device, device.patient_id in aired) for device in devices],
        "plant": {"entry": PLANT, "options": options},
    }
    if page is not None:
        config["page"] = {"port": page}
        config["edge"] = {"actuate": True, "pairs": _pairs(devices)}
        config["energy"] = {}  # on the mains: nothing waits, and its page says so
    if any(entry.get("address") for entry in config["devices"]):
        config["radio"] = "virtual"
    write_private(path, json.dumps(config, indent=1).encode())
    return EmulatedGateway(place.name, path)


def _pairs(devices: Iterable[Device]) -> list[dict[str, int]]:
    """Return the glucose monitor and the insulin pump of everybody who wears both."""
    worn: dict[Any, dict[str, int]] = defaultdict(dict)
    for device in devices:
        if device.patient_id is not None:
            worn[device.patient_id][device.kind] = device.pk
    both = {"cgm", "insulin_pump"}
    return [{"cgm": kinds["cgm"], "pump": kinds["insulin_pump"]} for kinds in worn.values() if kinds.keys() >= both]


def _listed(device: Device, aired: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"device_id": device.pk, "kind": device.kind}
    if aired and KINDS[device.kind].services:
        # A static random address: its two highest bits are set.
        entry["address"] = "C0:00:" + ":".join(f"{byte:02X}" for byte in device.pk.to_bytes(4, "big"))
        entry["serial"] = device.serial
    return entry


def _described(patient: Patient, worn: dict[str, int], episodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one patient as the plant's options want it. The name stays here: the emulator has no use for it."""
    return {
        "seed": _seed(patient),
        "devices": worn,
        "weight_kg": patient.weight_kg,
        "age_years": patient.age_years(timezone.now().date()),
        "sex": patient.sex,
        "conditions": [condition.value for condition in _archetype(patient).conditions],
        "time_zone": patient.time_zone,
        "doses": list(_doses(patient)),
        "adherence": 0.9,
        "episodes": episodes,
    }


def _archetype(patient: Patient) -> Archetype:
    """Return the body behind the patient's conditions; somebody may have reworded those since."""
    return _ARCHETYPES.get(patient.conditions, ARCHETYPES[0])


def _doses(patient: Patient) -> Iterable[dict[str, Any]]:
    """Yield the tablets of the pillbox as the patient's regimens plan them."""
    for regimen in Regimen.objects.filter(patient=patient, in_pillbox=True, stopped_at=None).select_related(
        "medication"
    ):
        for clock in regimen.times:
            yield {"local": clock, "grams": regimen.dose_weight_g}


def _seed(patient: Patient) -> int:
    """Return what makes this person: the same for the same bed of a demonstration that is set up anew."""
    return zlib.crc32(patient.medical_record_number.encode())


def _past_episodes(path: Path, now: float) -> dict[int, list[dict[str, Any]]]:
    """Return, by seed, what an earlier script already did: it stays part of the story after a restart."""
    try:
        patients = json.loads(path.read_text())["plant"]["options"]["patients"]
    except (OSError, ValueError, KeyError):  # the first start, or a file cut short
        return {}
    return {p["seed"]: [e for e in p["episodes"] if now - KEEP_EPISODES_S < e["at"] < now] for p in patients}
