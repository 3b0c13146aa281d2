"""The gateway's configuration: one JSON file; secrets may stand in files of their own beside it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from compliance.errors import DomainError
from devices.protocol.ascon.backend import KEY_BYTES
from devices.transport.dial import SCHEMES, check_server

U32 = (1 << 32) - 1


class ConfigRefused(DomainError):
    """The gateway's configuration cannot be used; the sentence says what to mend."""

    code = "gateway_config_refused"


class DeviceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device: its frame key stands here as 32 hexadecimal digits or in the file that is named here."""

    device_id: int
    kind: str
    epoch: int = 1
    key_hex: str = ""
    key_hex_file: str = ""

    def key(self, base: Path) -> bytes:
        """Return the 16-byte frame key. Raises ConfigRefused."""
        text = _read(base / self.key_hex_file).decode("ascii", "replace") if self.key_hex_file else self.key_hex
        return _from_hex(text, KEY_BYTES, f"the key of device {self.device_id}")


class PlantConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where readings come from: a dotted path `package.module:function` and what to give it."""

    entry: str
    options: dict[str, Any] = {}


class GatewayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Relative paths count from the file's folder."""

    gateway_id: int
    server: str
    private_key_file: str
    queue: str
    devices: list[DeviceConfig]
    plant: PlantConfig
    ca_file: str = ""  # for wss:// and mqtts:// with a hospital's own certificate authority
    interval_s: float = 1.0  # how often the devices are asked
    readings_per_frame: int = 20
    max_batches: int = 200_000  # the queue's bound; about 100 MB
    folder: str = ""  # filled in by `load`

    def path(self, name: str) -> Path:
        """Return a path of the file, from the file's folder when it is relative."""
        return Path(self.folder) / name

    def keys(self) -> dict[int, bytes]:
        """Return device id -> 16-byte frame key. Raises ConfigRefused."""
        return {device.device_id: device.key(Path(self.folder)) for device in self.devices}

    def private_key(self) -> Ed25519PrivateKey:
        """Return the gateway's Ed25519 key, from PEM or 64 hexadecimal digits. Raises ConfigRefused."""
        raw = _read(self.path(self.private_key_file))
        if not raw.startswith(b"-----BEGIN"):
            return Ed25519PrivateKey.from_private_bytes(
                _from_hex(raw.decode("ascii", "replace"), 32, "the private key")
            )
        try:
            key = load_pem_private_key(raw, None)
        except (ValueError, TypeError) as error:
            raise ConfigRefused("the private key file holds no readable PEM key") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigRefused("the private key is not an Ed25519 key")
        return key

    def tls(self) -> ssl.SSLContext | None:
        """Return how to check the server's certificate; None without TLS. Raises ConfigRefused."""
        if not self.server.startswith(("wss://", "mqtts://")):
            return None
        try:
            return ssl.create_default_context(cafile=str(self.path(self.ca_file)) if self.ca_file else None)
        except OSError as error:
            raise ConfigRefused(f"cannot use the certificates in {self.ca_file}: {error.strerror}") from error


def load(path: Path) -> GatewayConfig:
    """Return the checked configuration. Raises ConfigRefused, AddressWrong or LibraryMissing."""
    try:
        config = msgspec.json.decode(_read(path), type=GatewayConfig)
    except msgspec.DecodeError as error:
        raise ConfigRefused(f"{path.name}: {error}") from error
    if not config.server.startswith(SCHEMES):
        raise ConfigRefused(f"server must begin with {', '.join(SCHEMES)}")
    check_server(config.server)
    ids = [device.device_id for device in config.devices]
    if len(set(ids)) != len(ids) or not all(0 < number <= U32 for number in [*ids, config.gateway_id]):
        raise ConfigRefused("gateway and device ids are different numbers from 1 to 4294967295")
    if not (0 < config.readings_per_frame <= 1000 and config.interval_s > 0 and config.max_batches > 0):
        raise ConfigRefused("interval_s, max_batches and readings_per_frame (at most 1000) must be above zero")
    return msgspec.structs.replace(config, folder=str(path.resolve().parent))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigRefused(f"cannot read {path.name}: {error.strerror}") from error


def _from_hex(text: str, size: int, what: str) -> bytes:
    try:
        raw = bytes.fromhex(text.strip())
    except ValueError as error:
        raise ConfigRefused(f"{what} is not hexadecimal") from error
    if len(raw) != size:
        raise ConfigRefused(f"{what} has {len(raw)} bytes instead of {size}")
    return raw
