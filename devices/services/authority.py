"""The house's certificate authority: issues, renews and takes back certificates of gateways, devices and itself.

One authority, made when it is first needed; its key lies sealed under FIELD_KEY and is opened for each signature.
Everything is in the database, so that any process can issue and every process sees what was taken back.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from compliance.keyring import field_box
from compliance.models import EventCategory, User
from compliance.secretbox import SecretBox
from compliance.services.events import record_event
from devices.errors import CertificateMalformed
from devices.models import Authority, Certificate, CertificateState, Device, Gateway, GatewayState
from devices.protocol import certificates
from devices.protocol.certificates import Kind, Profile, Subject, TlsNames
from devices.protocol.mutual import SERVER, LinkIdentity

HOUSE = "house"
SERVER_DAYS = 90.0  # renewed when a third of it is left; gateways trust the authority, not this certificate


def authority_box() -> SecretBox:
    """Return the box of the authority's key and of the server's link key."""
    return field_box("device-authority")


def house_authority() -> Authority:
    """Return the house's authority, making it where there is none."""
    found = Authority.objects.filter(pk=HOUSE).first()
    if found is None:
        key = Ed25519PrivateKey.generate()
        made = {
            "certificate": certificates.make_authority(key, name="Medtwin house authority", now=timezone.now()),
            "key_sealed": authority_box().seal(key.private_bytes_raw(), HOUSE.encode()),
        }
        with transaction.atomic():  # whoever is first makes it; the others get that one
            found, new = Authority.objects.get_or_create(pk=HOUSE, defaults=made)
            if new:
                record_event(
                    category=EventCategory.SECURITY,
                    code="authority_made",
                    message="The house's certificate authority was made.",
                    detail={"fingerprint": authority_fingerprint(found)},
                )
    return found


def authority_fingerprint(authority: Authority | None = None) -> str:
    """Return the SHA-256 of the authority's certificate, hexadecimal: what gateways pin."""
    return certificates.fingerprint(bytes((authority or house_authority()).certificate))


def issue(
    owner: Gateway | Device | None,
    public_key: bytes,
    *,
    profile: Profile = Profile.LINK,
    days: float | None = None,
    tls: TlsNames | None = None,
) -> Certificate:
    """Issue a certificate for an Ed25519 key (raw, 32 bytes); None is the server. What came before it stays as it is.

    tls: the names that it gives in TLS, where the profile is of TLS. Raises CertificateMalformed when the key is none.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError as error:
        raise CertificateMalformed("That is no Ed25519 public key.") from error
    der = _sign(subject_of(owner), key, profile, settings.CERTIFICATE_DAYS if days is None else days, tls)
    return _store(der, owner, profile)


def issue_tls_client(gateway: Gateway, public_key: bytes) -> Certificate:
    """Issue a TLS client certificate for an Ed25519 key of a gateway's own (raw, 32 bytes).

    Its common name is the gateway's number, which is its account at a broker. Raises CertificateMalformed.
    """
    return issue(gateway, public_key, profile=Profile.TLS_CLIENT, tls=TlsNames(str(gateway.pk)))


def subject_of(owner: Gateway | Device | None) -> Subject:
    """Return how certificates name somebody; None is the server."""
    if owner is None:
        return SERVER
    return Subject(Kind.GATEWAY if isinstance(owner, Gateway) else Kind.DEVICE, owner.pk)


def supersede(owner: Gateway | Device, *, but: Sequence[Certificate]) -> None:
    """Let the certificates of somebody no longer count that came before these: it was paired anew."""
    older = certificates_of(owner).filter(state=CertificateState.VALID).exclude(pk__in=[one.pk for one in but])
    older.update(state=CertificateState.SUPERSEDED)


def renew_if_due(gateway: Gateway, serial: str) -> bytes:
    """Return a new certificate (DER) for the key of a gateway whose certificate is in its last third, else nothing.

    The old one counts to its end: the gateway may be killed before it has stored the new one. serial: of the link
    certificate that it showed; only while that one is young is it the turn of the one for TLS.
    """
    shown = Certificate.objects.filter(gateway=gateway, serial=serial).first()
    if shown is None:
        return b""
    if not _due(shown):
        return _renew_tls_if_due(gateway)
    newest = certificates_of(gateway).filter(state=CertificateState.VALID, profile=Profile.LINK).first()
    if newest is None or _due(newest):
        newest = issue(gateway, bytes(gateway.public_key))
    return bytes(newest.content)


def _renew_tls_if_due(gateway: Gateway) -> bytes:
    """Return the newest TLS client certificate of a gateway that may still use one in its last third, else nothing.

    A gateway does not show which one it has, so the new one comes with each greeting until the old one is over.
    """
    counting = certificates_of(gateway).filter(state=CertificateState.VALID, profile=Profile.TLS_CLIENT)
    held = list(counting.filter(not_after__gt=timezone.now())[:2])
    if not held:
        return b""
    newest = held[0]
    if _due(newest):
        newest = issue_tls_client(gateway, certificates.public_key_of(bytes(newest.content)))
    elif len(held) == 1:
        return b""
    return bytes(newest.content)


def revoke(certificate: Certificate, *, by: User | None = None, reason: str = "") -> None:
    """Take a certificate back; connections that were opened with it end within a second."""
    with transaction.atomic():
        locked = Certificate.objects.select_for_update().get(pk=certificate.pk)
        if locked.state == CertificateState.REVOKED:
            return
        locked.state, locked.revoked_at, locked.reason = CertificateState.REVOKED, timezone.now(), reason[:120]
        locked.save(update_fields=["state", "revoked_at", "reason"])
        device = locked.device
        gateway = locked.gateway or (device.gateway if device else None)
        record_event(
            category=EventCategory.SECURITY,
            code="certificate_revoked",
            message="A certificate was taken back: who has it is not believed any more.",
            patient=device.patient if device else None,
            ward_id=gateway.ward_id if gateway else None,
            user=by,
            device_id=device.pk if device else None,
            gateway_id=gateway.pk if gateway else None,
            detail={"serial": locked.serial, "reason": locked.reason},
        )
    certificate.refresh_from_db()


def revoke_all(owner: Gateway | Device, *, by: User | None = None, reason: str = "") -> int:
    """Take every certificate of somebody back; return how many."""
    counting = list(certificates_of(owner).exclude(state=CertificateState.REVOKED))
    for one in counting:
        revoke(one, by=by, reason=reason)
    return len(counting)


def certificates_of(owner: Gateway | Device) -> QuerySet[Certificate]:
    """Return somebody's certificates, the newest first."""
    return owner.certificates.order_by("-not_before", "-pk")


def revocation_list(*, days: float = 7.0) -> bytes:
    """Return a revocation list (X.509 CRL, DER) of every certificate that counts no more and is not over anyway."""
    authority, key = _opened()
    now = timezone.now()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.load_der_x509_certificate(bytes(authority.certificate)).subject)
        .last_update(now)
        .next_update(now + timedelta(days=days))
    )
    gone = Q(state=CertificateState.REVOKED) | Q(gateway__state=GatewayState.RETIRED)
    gone |= Q(state=CertificateState.SUPERSEDED, profile=Profile.TLS_CLIENT)  # a broker knows of no other list
    for one in Certificate.objects.filter(gone, not_after__gt=now):
        entry = x509.RevokedCertificateBuilder().serial_number(int(one.serial, 16))
        builder = builder.add_revoked_certificate(entry.revocation_date(one.revoked_at or now).build())
    return builder.sign(key, None).public_bytes(Encoding.DER)


class _Own:
    """The server's own identity as this process knows it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: tuple[str, LinkIdentity] | None = None  # the certificate's serial number, and what it takes


_own = _Own()


def server_identity() -> LinkIdentity:
    """Return how the server proves itself on the link. Its certificate is renewed before its end."""
    with _own.lock:
        newest = _newest_own()
        if newest is None or _due(newest):
            newest = _make_own()
        if _own.known is None or _own.known[0] != newest.serial:  # unsealed only when it changed
            key = Ed25519PrivateKey.from_private_bytes(authority_box().open(bytes(newest.key_sealed or b"")))
            chain = bytes(newest.content), bytes(house_authority().certificate)
            _own.known = newest.serial, LinkIdentity(key, *chain)
        return _own.known[1]


def _newest_own() -> Certificate | None:
    return _own_valid().first()


def _own_valid() -> QuerySet[Certificate]:
    return Certificate.objects.filter(gateway=None, device=None, state=CertificateState.VALID, profile=Profile.LINK)


def _make_own() -> Certificate:
    house = house_authority()
    with transaction.atomic():
        Authority.objects.select_for_update().get(pk=house.pk)  # one process renews, the others find it done
        newest = _newest_own()
        if newest is not None and not _due(newest):
            return newest
        key = Ed25519PrivateKey.generate()
        made = issue(None, key.public_key().public_bytes_raw(), days=SERVER_DAYS)
        made.key_sealed = authority_box().seal(key.private_bytes_raw())
        made.save(update_fields=["key_sealed"])
        _own_valid().exclude(pk=made.pk).update(state=CertificateState.SUPERSEDED, key_sealed=None)
    return made


def _due(certificate: Certificate) -> bool:
    """Tell whether a certificate is in the last third of its time."""
    return certificate.not_after - timezone.now() < (certificate.not_after - certificate.not_before) / 3


def _opened() -> tuple[Authority, Ed25519PrivateKey]:
    authority = house_authority()
    seed = authority_box().open(bytes(authority.key_sealed), HOUSE.encode())
    return authority, Ed25519PrivateKey.from_private_bytes(seed)


def _sign(subject: Subject, key: Ed25519PublicKey, profile: Profile, days: float, tls: TlsNames | None) -> bytes:
    authority, signer = _opened()
    return certificates.issue(
        bytes(authority.certificate),
        signer,
        subject=subject,
        public_key=key,
        now=timezone.now(),
        days=days,
        profile=profile,
        tls=tls,
    )


def _store(der: bytes, owner: Gateway | Device | None, profile: Profile) -> Certificate:
    read = x509.load_der_x509_certificate(der)
    with transaction.atomic():
        made = Certificate.objects.create(
            serial=f"{read.serial_number:040x}",
            profile=profile,
            gateway=owner if isinstance(owner, Gateway) else None,
            device=owner if isinstance(owner, Device) else None,
            content=der,
            not_before=read.not_valid_before_utc,
            not_after=read.not_valid_after_utc,
        )
        gateway = owner if isinstance(owner, Gateway) else owner.gateway if owner is not None else None
        record_event(
            category=EventCategory.OPERATION,
            code="certificate_issued",
            message="A certificate was issued.",
            patient=owner.patient if isinstance(owner, Device) else None,
            ward_id=gateway.ward_id if gateway else None,
            device_id=owner.pk if isinstance(owner, Device) else None,
            gateway_id=gateway.pk if gateway else None,
            detail={"serial": made.serial, "profile": profile.value},
        )
    return made
