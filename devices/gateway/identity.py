"""What a gateway got from its pairings, in one file that only its user may read: keys, roots, certificates.

Written whole or not at all, and to the disk before anything that builds on it is said to the server.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from compliance.errors import DomainError
from devices.errors import CertificateMalformed
from devices.pairing.gateway_side import Paired
from devices.protocol.certificates import serial_of
from devices.protocol.mutual import LinkIdentity

KEY_BYTES = 32


class IdentityUnusable(DomainError):
    """The file with the gateway's identity cannot be used; pair it anew, or restore the file."""

    code = "gateway_identity_unusable"


class Owner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who was paired. identity: Ed25519 seed; root: 32 bytes; certificate: DER. All hexadecimal.

    tls_key, tls_certificate: the same for TLS connections, where the house gave one.
    """

    identity: str
    root: str
    certificate: str
    tls_key: str = ""
    tls_certificate: str = ""


class Identities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. devices: those that were paired themselves, by number."""

    gateway_id: int
    authority: str
    gateway: Owner
    devices: dict[str, Owner] = {}

    @property
    def link(self) -> LinkIdentity:
        """How the gateway proves itself."""
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.gateway.identity))
        return LinkIdentity(key, bytes.fromhex(self.gateway.certificate), bytes.fromhex(self.authority))

    @property
    def serial(self) -> int:
        """The serial number of the gateway's certificate."""
        return serial_of(bytes.fromhex(self.gateway.certificate))

    @property
    def root(self) -> bytes:
        """The root key of the gateway's pairing, 32 bytes."""
        return bytes.fromhex(self.gateway.root)

    def device_root(self, device_id: int) -> bytes | None:
        """Return the root key of a device that was paired itself."""
        owner = self.devices.get(str(device_id))
        return bytes.fromhex(owner.root) if owner else None

    @property
    def tls_public_key(self) -> bytes:
        """The public half of the gateway's key for TLS, raw; empty without one."""
        return self._tls_key().public_key().public_bytes_raw() if self.gateway.tls_key else b""

    def _tls_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.gateway.tls_key))

    def tls_pem(self) -> bytes:
        """Return key and certificate for TLS, one after the other in PEM; empty where the house gave none."""
        if not self.gateway.tls_certificate:
            return b""
        key = self._tls_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        certificate = x509.load_der_x509_certificate(bytes.fromhex(self.gateway.tls_certificate))
        return key + certificate.public_bytes(Encoding.PEM)

    def renewed(self, certificate: bytes, *, for_tls: bool = False) -> Identities:
        """Return the same with another certificate of the gateway's."""
        name = "tls_certificate" if for_tls else "certificate"
        gateway = msgspec.structs.replace(self.gateway, **{name: certificate.hex()})
        return msgspec.structs.replace(self, gateway=gateway)

    def with_device(self, paired: Paired) -> Identities:
        """Return the same with a device that was paired."""
        return msgspec.structs.replace(self, devices={**self.devices, str(paired.subject.number): owner_of(paired)})


def owner_of(paired: Paired) -> Owner:
    """Return what is kept of a pairing."""
    kept = (paired.identity, paired.root, paired.certificate, paired.tls_key, paired.tls_certificate)
    return Owner(*(raw.hex() for raw in kept))


def identities_of(paired: Paired, former: Identities | None = None) -> Identities:
    """Return the file of a gateway that was just paired. former: of the same gateway, before."""
    devices = former.devices if former is not None else {}
    return Identities(paired.subject.number, paired.authority.hex(), owner_of(paired), devices)


def load_identities(path: Path) -> Identities:
    """Return what the file holds, checked. Raises IdentityUnusable."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Identities)
        owners = [found.gateway, *found.devices.values()]
        sound = all(len(bytes.fromhex(text)) == KEY_BYTES for one in owners for text in (one.identity, one.root))
        _ = found.link, found.serial, found.tls_pem()
    except OSError as error:
        raise IdentityUnusable(f"cannot read {path.name}: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError, CertificateMalformed, RecursionError) as error:
        raise IdentityUnusable(f"{path.name} holds no identity that can be read: pair the gateway anew") from error
    if not sound:
        raise IdentityUnusable(f"{path.name} holds a key of another length: pair the gateway anew")
    return found


def save_identities(path: Path, identities: Identities) -> None:
    """Write the file. Raises IdentityUnusable."""
    write_private(path, msgspec.json.format(msgspec.json.encode(identities), indent=1))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user may read, whole or not at all, and durable. Raises IdentityUnusable."""
    draft = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise IdentityUnusable(f"cannot write {path.name}: {error.strerror}") from error
