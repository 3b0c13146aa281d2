"""The gateway's configuration: one JSON file; secrets may stand in files of their own beside it."""

from __future__ import annotations

import re
import ssl
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from compliance.errors import DomainError
from devices.gateway.edge.rules import EdgeConfig
from devices.gateway.energy import EnergyConfig
from devices.gateway.identity import load_identities
from devices.gateway.page.config import PageConfig
from devices.protocol.aead import KEY_BYTES
from devices.protocol.epochs import oscore_secret
from devices.protocol.suites import SUITE_NAMES, SUITES, Suite
from devices.transport.coap_address import COAP_SCHEME
from devices.transport.dial import SCHEMES, CoapKeys, check_server

U32 = (1 << 32) - 1
IN_PROCESS = "in-process"
ADDRESS = re.compile(r"([0-9A-F]{2}:){5}[0-9A-F]{2}(/P)?")
COAP_SECRET_BYTES = 32
COAP_NUMBERS = "coap.numbers"  # which of a paired gateway's sequence numbers were used


class ConfigRefused(DomainError):
    """The gateway's configuration cannot be used; the sentence says what to mend."""

    code = "gateway_config_refused"


class DeviceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device. Behind a gateway that was not paired its frame key stands here, as 32 hexadecimal digits, or in the
    file that is named here."""

    device_id: int
    kind: str
    epoch: int = 1
    deflate: bool = False  # spares the radio, costs the processor: docs/energy.md
    suite: str = SUITES[Suite.ASCON_AEAD128].name
    key_hex: str = ""
    key_hex_file: str = ""
    # Over the radio: "C0:11:22:33:44:55", or with "/P" behind it for a public address. Empty: on the in-process link.
    address: str = ""
    passkey: int | None = None  # six digits that the device shows or bears, None when it can show nothing
    name: str = ""  # what it advertises, to notice others that use the name
    serial: str = ""  # what it must say of itself

    def key(self, base: Path) -> bytes:
        """Return the 16-byte frame key. Raises ConfigRefused."""
        text = _read(base / self.key_hex_file).decode("ascii", "replace") if self.key_hex_file else self.key_hex
        return _from_hex(text, KEY_BYTES, f"the key of device {self.device_id}")


class PlantConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where readings come from: a dotted path `package.module:function` and what to give it."""

    entry: str
    options: dict[str, Any] = {}
    # An emulated world may have a clock of its own: it begins at `begin` (s since the Unix epoch; 0: now) and runs
    # `speed` times as fast as ours.
    speed: float = 1.0
    begin: float = 0.0


class GatewayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Relative paths count from the file's folder."""

    gateway_id: int
    server: str
    queue: str
    devices: list[DeviceConfig]
    plant: PlantConfig
    identity_file: str = ""  # from its pairing; or, of a gateway that was not paired:
    private_key_file: str = ""
    ca_file: str = ""  # for wss:// and mqtts:// with a hospital's own certificate authority
    # For mqtts:// with a broker that knows gateways by another certificate than the one of their pairing.
    certificate_file: str = ""
    certificate_key_file: str = ""
    # For coap:// without a pairing: 64 hexadecimal digits that the house gave out. A pairing brings its own secret.
    coap_secret_file: str = ""
    # "virtual", or a controller: "usb:0", "hci-socket:0", "serial:/dev/ttyACM0" (docs/bluetooth.md)
    radio: str = IN_PROCESS
    interval_s: float = 1.0  # how often the devices are asked
    readings_per_frame: int = 20
    max_queue_mb: float = 256  # the queue's bound on disk, MiB
    edge: EdgeConfig = EdgeConfig()  # what it does on its own
    page: PageConfig = PageConfig()  # the gateway's own page
    energy: EnergyConfig | None = None  # a budget; without one readings leave as soon as they come
    turn_file: str = ""  # by which an imaging agent on the same line sees that something urgent waits
    folder: str = ""  # filled in by `load`
    file: str = ""  # as well

    def path(self, name: str) -> Path:
        """Return a path of the file, from the file's folder when it is relative."""
        return Path(self.folder) / name

    @property
    def has_radio(self) -> bool:
        """Whether devices are heard over the air."""
        return self.radio not in ("", IN_PROCESS)

    @property
    def max_queue_bytes(self) -> int:
        """The queue's bound in bytes."""
        return int(self.max_queue_mb * (1 << 20))

    def keys(self) -> dict[int, bytes]:
        """Return device id -> 16-byte frame key of a gateway that was not paired. Raises ConfigRefused."""
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
        """Return how to check the server's certificate, and what to show a broker; None without TLS.

        Raises ConfigRefused or IdentityUnusable.
        """
        if not self.server.startswith(("wss://", "mqtts://")):
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.path(self.ca_file)) if self.ca_file else None)
        except OSError as error:
            raise ConfigRefused(f"cannot use the certificates in {self.ca_file}: {error.strerror}") from error
        if self.certificate_file:
            try:
                key = self.path(self.certificate_key_file) if self.certificate_key_file else None
                context.load_cert_chain(self.path(self.certificate_file), key)
            except OSError as error:
                raise ConfigRefused(f"cannot use {self.certificate_file} and its key: {error.strerror}") from error
        elif self.identity_file and self.server.startswith("mqtts://"):
            self._show_pairing(context)
        return context

    def _show_pairing(self, context: ssl.SSLContext) -> None:
        """Show a broker the certificate of the pairing, and believe one that the house's own authority vouches for."""
        known = load_identities(self.path(self.identity_file))
        context.load_verify_locations(cadata=bytes.fromhex(known.authority))
        if not (pem := known.tls_pem()):
            return
        with tempfile.TemporaryDirectory() as folder:  # readable by this user alone; OpenSSL takes files only
            shown = Path(folder) / "tls.pem"
            shown.write_bytes(pem)
            context.load_cert_chain(shown)

    def coap(self) -> CoapKeys | None:
        """Return what CoAP needs; None for another transport. Raises ConfigRefused or IdentityUnusable."""
        if not self.server.startswith(COAP_SCHEME):
            return None
        if self.identity_file:
            secret = oscore_secret(load_identities(self.path(self.identity_file)).root)
            return CoapKeys(secret, self.path(COAP_NUMBERS))
        if not self.coap_secret_file:
            raise ConfigRefused("coap:// needs a pairing, or a coap_secret_file, which `manage.py gateway_coap` writes")
        text = _read(self.path(self.coap_secret_file)).decode("ascii", "replace")
        secret = _from_hex(text, COAP_SECRET_BYTES, "the secret for CoAP")
        return CoapKeys(secret, self.path(f"{self.coap_secret_file}.numbers"))


def load(path: Path) -> GatewayConfig:
    """Return the checked configuration.

    Raises ConfigRefused, RuleRefused, BudgetRefused, PageRefused, AddressWrong or LibraryMissing.
    """
    try:
        config = msgspec.json.decode(_read(path), type=GatewayConfig)
    except msgspec.DecodeError as error:
        raise ConfigRefused(f"{path.name}: {error}") from error
    if bool(config.identity_file) == bool(config.private_key_file):
        raise ConfigRefused("name identity_file, which `python -m devices.gateway pair` writes, or private_key_file")
    if not config.server.startswith(SCHEMES):
        raise ConfigRefused(f"server must begin with {', '.join(SCHEMES)}")
    check_server(config.server)
    config.page.check()
    if config.energy is not None:
        config.energy.check()
    config.edge.check(device.device_id for device in config.devices)
    if not 0 < config.plant.speed <= 1000:
        raise ConfigRefused("plant.speed is above 0 and at most 1000")
    ids = [device.device_id for device in config.devices]
    if len(set(ids)) != len(ids) or not all(0 < number <= U32 for number in [*ids, config.gateway_id]):
        raise ConfigRefused("gateway and device ids are different numbers from 1 to 4294967295")
    _check_addresses(config)
    unknown = {device.suite for device in config.devices} - SUITE_NAMES.keys()
    if unknown:
        raise ConfigRefused(f"no cipher {unknown.pop()}: it is one of {', '.join(SUITE_NAMES)}")
    if not (0 < config.readings_per_frame <= 1000 and config.interval_s > 0 and config.max_queue_mb >= 1):
        raise ConfigRefused(
            "interval_s and readings_per_frame (at most 1000) must be above zero, max_queue_mb at least 1"
        )
    return msgspec.structs.replace(config, folder=str(path.resolve().parent), file=path.name)


def _check_addresses(config: GatewayConfig) -> None:
    addresses = [device.address for device in config.devices if device.address]
    for address in addresses:
        if not ADDRESS.fullmatch(address):
            raise ConfigRefused(f"{address} is no Bluetooth address like C0:11:22:33:44:55 or 00:11:22:33:44:55/P")
    if len(set(addresses)) != len(addresses):
        raise ConfigRefused("two devices have one Bluetooth address")
    if any(device.passkey is not None and not 0 <= device.passkey <= 999_999 for device in config.devices):
        raise ConfigRefused("a passkey has six digits")


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
