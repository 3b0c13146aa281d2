"""A gateway's own folder where server and gateway share a machine: pairs it in place, and writes its configuration.

Elsewhere the gateway does this itself, `python -m devices.gateway pair`, and no key leaves it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from devices.gateway.identity import IdentityUnusable, write_private
from devices.gateway.pair import CONFIG, IDENTITY, pair
from devices.models import Device, DevicePath, Gateway
from devices.models.paths import PATH_EPOCH
from devices.protocol.suites import SUITES, Suite
from devices.services.pairing import answer, begin_pairing
from devices.services.registry import RegistrationRefused

PRIVATE_KEY = "private.key"  # of a folder from before there were pairings


def pair_folder(folder: Path, gateway: Gateway, *, server: str, ca_file: str = "") -> Path:
    """Pair a gateway into an empty folder and return the place of its configuration, which names no device yet.

    server: the address of its line. Raises RegistrationRefused when the folder cannot be written, or is somebody's.
    """
    if any((folder / name).exists() for name in (IDENTITY, PRIVATE_KEY, CONFIG)):
        raise RegistrationRefused(f"{folder} holds a gateway's key already: name another folder")
    try:
        pair(begin_pairing(owner=gateway, server="http://localhost").address, folder, answer, ca_file=ca_file)
        config = json.loads((folder / CONFIG).read_text())
        config["server"] = server
        write_private(folder / CONFIG, json.dumps(config, indent=1).encode())
    except (OSError, IdentityUnusable) as error:
        raise RegistrationRefused(f"cannot write to {folder}: {error}") from error
    return folder / CONFIG


def add_to_config(path: Path, device: Device, key: bytes) -> None:
    """Put a device into the configuration of its gateway; its key only where that was never paired.

    Raises RegistrationRefused.
    """
    _put(path, device.gateway_id, {"device_id": device.pk, "kind": device.kind}, Suite(device.suite), device.epoch, key)


def add_path_to_config(file: Path, path: DevicePath, key: bytes) -> None:
    """Put a path to a device into the configuration of its gateway; see `add_to_config`. Raises RegistrationRefused."""
    entry = {"device_id": path.number, "kind": path.device.kind}
    _put(file, path.gateway_id, entry, Suite(path.suite), PATH_EPOCH, key)


def _put(path: Path, gateway_id: int, entry: dict[str, Any], suite: Suite, epoch: int, key: bytes) -> None:
    try:
        config = json.loads(path.read_text())
        wrong = config["gateway_id"] != gateway_id
        others = [one for one in config["devices"] if one["device_id"] != entry["device_id"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistrationRefused(f"{path} is no gateway's configuration that can be read") from error
    if wrong:
        raise RegistrationRefused(f"{path} is the configuration of another gateway")
    own_keys = {} if config.get("identity_file") else {"epoch": epoch, "key_hex": key.hex()}
    config["devices"] = [*others, {**entry, "suite": SUITES[suite].name, **own_keys}]
    try:
        write_private(path, json.dumps(config, indent=1).encode())
    except IdentityUnusable as error:
        raise RegistrationRefused(error.message) from error
