"""Certificates of the house: X.509 (RFC 5280) with Ed25519 (RFC 8410), issued by its own authority, a chain of two.

Pure functions over DER. A certificate says who somebody is (`urn:medtwin:KIND:NUMBER`) and for how long; whether it was
taken back is known to the server's registry, which both ends' connections pass through.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devices.errors import CertificateExpired, CertificateForeign, CertificateMalformed, CertificateOfAnother

AUTHORITY_YEARS = 20
BACKDATED = timedelta(minutes=5)  # clocks of gateways lag; nothing was signed under the key before it was issued
MAX_BYTES = 2048


class Kind(StrEnum):
    """Whose certificate it is."""

    GATEWAY = "gateway"
    DEVICE = "device"
    SERVER = "server"


class Profile(StrEnum):
    """What it is for: to sign in the link's own protocol, or for TLS connections, as a client or as a broker."""

    LINK = "link"
    TLS_CLIENT = "tls-client"
    TLS_SERVER = "tls-server"


_PURPOSES = {
    Profile.TLS_CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    Profile.TLS_SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody who has a certificate. number: in the registry; 0 for the server."""

    kind: Kind
    number: int

    @property
    def urn(self) -> str:
        """The name that stands in the certificate."""
        return f"urn:medtwin:{self.kind}:{self.number}"

    @property
    def common_name(self) -> str:
        """A name for people and for brokers, such as `gateway-7`."""
        return f"{self.kind}-{self.number}"


class TlsNames(NamedTuple):
    """What TLS knows somebody by. common_name: the account at a broker. hosts: of a server, names or addresses."""

    common_name: str
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """What a certificate was found to say. public_key: Ed25519, raw, 32 bytes."""

    subject: Subject
    serial: int
    public_key: bytes
    not_after: datetime


def fingerprint(der: bytes) -> str:
    """Return the SHA-256 of a certificate, hexadecimal."""
    return hashlib.sha256(der).hexdigest()


def make_authority(key: Ed25519PrivateKey, *, name: str, now: datetime) -> bytes:
    """Return the self-signed certificate (DER) of a new authority, good for 20 years."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Medtwin"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=365 * AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return builder.sign(key, None).public_bytes(Encoding.DER)


def issue(
    authority: bytes,
    key: Ed25519PrivateKey,
    *,
    subject: Subject,
    public_key: CertificatePublicKeyTypes,
    now: datetime,
    days: float,
    profile: Profile = Profile.LINK,
    tls: TlsNames | None = None,
) -> bytes:
    """Return a certificate (DER) for `public_key`, signed by the authority whose certificate and key are given.

    tls: its names, where TLS knows somebody by others than the subject's.
    """
    issuer = x509.load_der_x509_certificate(authority)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Medtwin"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, profile),
            x509.NameAttribute(NameOID.COMMON_NAME, tls.common_name if tls else subject.common_name),
        ]
    )
    others = [x509.UniformResourceIdentifier(subject.urn), *map(_host, tls.hosts if tls else ())]
    signer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(min(now + timedelta(days=days), issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.SubjectAlternativeName(others), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer_id),
            critical=False,
        )
    )
    if purpose := _PURPOSES.get(profile):  # a key that signs in the link's protocol has no business in TLS
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(key, None).public_bytes(Encoding.DER)


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def check(
    der: bytes, authority: bytes, *, expected: Subject, now: datetime, profile: Profile = Profile.LINK
) -> Identity:
    """Return what a certificate says, once its chain, subject, purpose and time were checked.

    authority: the certificate that is trusted, DER; whoever calls has compared its fingerprint before.
    Raises CertificateMalformed, CertificateForeign, CertificateOfAnother or CertificateExpired.
    """
    certificate, issuer = _load(der), _load(authority)
    try:
        certificate.verify_directly_issued_by(issuer)
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise CertificateForeign from error
    if not constraints.ca:
        raise CertificateForeign
    key = certificate.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise CertificateMalformed
    if _names(certificate) != (expected.urn, profile):
        raise CertificateOfAnother
    for one in (certificate, issuer):
        if not one.not_valid_before_utc <= now < one.not_valid_after_utc:
            raise CertificateExpired
    return Identity(expected, certificate.serial_number, key.public_bytes_raw(), certificate.not_valid_after_utc)


def check_pinned(authority: bytes, pinned: str) -> None:
    """Return when a certificate is the one whose SHA-256 (hexadecimal) was pinned. Raises CertificateForeign."""
    if fingerprint(authority) != pinned.lower():
        raise CertificateForeign("The server showed another authority than the one on the pairing page.")


def is_for_tls(der: bytes) -> bool:
    """Tell whether a certificate is for TLS connections of a client. Raises CertificateMalformed."""
    return _names(_load(der))[1] == Profile.TLS_CLIENT


def ends_at(der: bytes) -> datetime:
    """Return when a certificate is over. Raises CertificateMalformed."""
    return _load(der).not_valid_after_utc


def public_key_of(der: bytes) -> bytes:
    """Return the Ed25519 key (raw, 32 bytes) that a certificate is for. Raises CertificateMalformed."""
    key = _load(der).public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise CertificateMalformed
    return key.public_bytes_raw()


def serial_of(der: bytes) -> int:
    """Return a certificate's serial number. Raises CertificateMalformed."""
    return _load(der).serial_number


def now_utc(unix_s: float) -> datetime:
    """Return seconds since the Unix epoch as the time that certificates are compared with."""
    return datetime.fromtimestamp(unix_s, tz=UTC)


def _load(der: bytes) -> x509.Certificate:
    if len(der) > MAX_BYTES:
        raise CertificateMalformed
    try:
        found = x509.load_der_x509_certificate(der)
        _ = found.extensions, found.subject, found.serial_number  # read lazily: what cannot be read fails here
        if found.public_bytes(Encoding.DER) != der:
            raise CertificateMalformed
    except CertificateMalformed:
        raise
    except Exception as error:  # the parser raises more kinds for crafted bytes than it documents
        raise CertificateMalformed from error
    return found


def _names(certificate: x509.Certificate) -> tuple[str, str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        urns = names.get_values_for_type(x509.UniformResourceIdentifier)
        units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise CertificateMalformed from error
    return (urns[0] if len(urns) == 1 else "", str(units[0].value) if len(units) == 1 else "")


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
