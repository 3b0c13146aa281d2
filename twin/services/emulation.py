"""Put an emulated ward into the registry and write what its gateway processes need.

Running it again changes nothing.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction
from django.utils import timezone

from compliance.models import Patient, Regimen, Ward
from devices.kinds.registry import KINDS
from devices.models import Device, DeviceState, Gateway
from devices.services.registry import device_key, register_device, register_gateway, renew_device_key
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
        patient, _created = Patient.objects.get_or_create(
            medical_record_number=f"EMU-{ward.pk}-{index:04d}",
            defaults={
                "given_name": who.given_name,
                "family_name": who.family_name,
                "birth_date": who.birth_date,
                "sex": who.sex,
                "weight_kg": who.weight_kg,
                "ward": ward,
                "bed": who.bed,
                "time_zone": TIME_ZONE,
                "conditions": who.archetype.text,
            },
        )
        found.append(patient)
    return found


def prepare_ward(
    *, ward: Ward, patients: int, gateways: int | None, server: str, folder: Path, now: float, scripted: bool = True
) -> list[EmulatedGateway]:
    """Register patients, gateways and devices of an emulated ward, write their files and return the gateways to run.

    `folder` holds a folder for each gateway with its key, configuration and queue, readable by this user alone.
    `gateways` None is one for every six patients. `now` is when the script of events begins, s since the Unix epoch.
    """
    people = ensure_patients(ward, patients)
    count = gateways or -(-max(patients, 1) // PATIENTS_PER_GATEWAY)
    hubs = [_ensure_gateway(ward, number, folder) for number in range(count)]
    for index, patient in enumerate(people):
        for kind in _archetype(patient).devices:
            _ensure_device(kind, ward, index, hubs[index * count // len(people)][0], patient)
    _ensure_device("mr_scanner", ward, 0, hubs[0][0], None)
    later = running_script(patients, now) if scripted else {}
    scripts = {
        patient.pk: (opening_script(index, now) + later.get(index, []) if scripted else [])
        for index, patient in enumerate(people)
    }
    return [_write(gateway, place, server, people, scripts, now) for gateway, place in hubs]


def _ensure_gateway(ward: Ward, number: int, folder: Path) -> tuple[Gateway, Path]:
    """Return the gateway and its folder. One whose folder was lost gets a new key, and its devices new epochs."""
    name = f"{ward.name} gateway {number + 1}"
    place = folder / f"ward-{ward.pk}-gateway-{number + 1}"
    key_file = place / "private.key"
    gateway = Gateway.objects.filter(name=name).first()
    if gateway is not None and key_file.exists():
        return gateway, place
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate()
    write_private(key_file, private.private_bytes_raw().hex())
    public = private.public_key().public_bytes_raw()
    if gateway is None:
        return register_gateway(name=name, ward=ward, public_key=public), place
    with transaction.atomic():
        gateway.public_key = public
        gateway.save(update_fields=["public_key"])
        for device in gateway.devices.filter(state=DeviceState.ACTIVE):
            renew_device_key(device=device)  # its frame counter was in the queue that is gone
    return gateway, place


def _ensure_device(kind: str, ward: Ward, index: int, gateway: Gateway, patient: Patient | None) -> None:
    serial = f"EMU-{ward.pk}-{index:04d}-{kind}"
    if not Device.objects.filter(serial=serial).exists():
        link = "wired" if kind == "mr_scanner" else "ble"
        register_device(serial=serial, kind=kind, label=KINDS[kind].label, gateway=gateway, patient=patient, link=link)


def _write(
    gateway: Gateway,
    place: Path,
    server: str,
    people: Sequence[Patient],
    scripts: dict[Any, list[Episode]],
    now: float,
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
    config = {
        "gateway_id": gateway.pk,
        "server": server,
        "private_key_file": "private.key",
        "queue": "queue.sqlite3",
        "interval_s": 0.5,
        "devices": [
            {"device_id": d.pk, "kind": d.kind, "epoch": d.epoch, "key_hex": device_key(d).hex()} for d in devices
        ],
        "plant": {"entry": PLANT, "options": options},
    }
    write_private(path, json.dumps(config, indent=1))
    return EmulatedGateway(place.name, path)


def _described(patient: Patient, worn: dict[str, int], episodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one patient as the plant's options want it. The name stays here: the emulator has no use for it."""
    return {
        "seed": _seed(patient),
        "devices": worn,
        "weight_kg": patient.weight_kg,
        "age_years": patient.age_years(timezone.now().date()),
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
    for regimen in Regimen.objects.filter(patient=patient, in_pillbox=True).select_related("medication"):
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


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, whole or not at all."""
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
