"""The certificates of an MQTT broker and its bridges, from the house's own authority, as the files that they read.

Keys are made here and kept nowhere else. What is there and young stays; what is in its last third is issued anew. A
folder with another authority is a house's that issues its own: nothing in it is touched.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.utils import timezone

from devices.gateway.identity import write_private
from devices.protocol.certificates import Profile, TlsNames
from devices.services.authority import house_authority, issue, revocation_list
from devices.transport.mosquitto import AUTHORITY, CERTIFICATE, KEY, REVOKED

LIST_DAYS = 366.0  # a broker turns everybody away once its list is over, so it outlasts a forgotten year


def write_certificates(folder: Path, *, host: str, bridges: list[str]) -> list[str]:
    """Write authority, revocation list, and the broker's and bridges' certificates; return the names of new ones.

    host: by which gateways reach the broker. Raises OSError, or IdentityUnusable where a key cannot be written.
    """
    authority = x509.load_der_x509_certificate(bytes(house_authority().certificate)).public_bytes(Encoding.PEM)
    place = folder / AUTHORITY
    if place.exists() and place.read_bytes() != authority:
        return []
    place.write_bytes(authority)
    wanted = [(CERTIFICATE, KEY, Profile.TLS_SERVER, TlsNames(host, (host,)))]
    wanted += [(f"{name}.pem", f"{name}.key", Profile.TLS_CLIENT, TlsNames(name)) for name in bridges]
    new = [_issue(folder / file, folder / key, profile, names) for file, key, profile, names in wanted]
    revoked = x509.load_der_x509_crl(revocation_list(days=LIST_DAYS))
    (folder / REVOKED).write_bytes(revoked.public_bytes(Encoding.PEM))
    return [name for name in new if name]


def _issue(place: Path, key_place: Path, profile: Profile, names: TlsNames) -> str:
    """Issue a certificate and write it with its key, unless a young one is there; return its name, "" when it is."""
    if key_place.exists() and place.exists() and _is_young(place, names):
        return ""
    key = Ed25519PrivateKey.generate()
    issued = issue(None, key.public_key().public_bytes_raw(), profile=profile, tls=names)
    write_private(key_place, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate = x509.load_der_x509_certificate(bytes(issued.content))
    place.write_bytes(certificate.public_bytes(Encoding.PEM))
    return place.name


def _is_young(place: Path, names: TlsNames) -> bool:
    """Tell whether a file holds a certificate of this name that has more than a third of its time left."""
    try:
        found = x509.load_pem_x509_certificate(place.read_bytes())
    except ValueError:
        return False
    named = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == names.common_name
    left, whole = found.not_valid_after_utc - timezone.now(), found.not_valid_after_utc - found.not_valid_before_utc
    return named and left > whole / 3
