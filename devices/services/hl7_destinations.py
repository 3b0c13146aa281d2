"""Set up, change, pause and remove destinations. Each is an event: it decides what leaves the house."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificates
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from compliance.models import EventCategory, User, Ward
from compliance.services.events import record_event
from devices.hl7.errors import CertificateWrong
from devices.hl7.link import client_context
from devices.models import HL7Destination
from devices.services.hl7_delivery import endpoint_of


def check_authority(pem: str) -> None:
    """Raise CertificateWrong unless `pem` holds at least one certificate that has not run out."""
    try:
        certificates = load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise CertificateWrong from error
    if all(one.not_valid_after_utc < timezone.now() for one in certificates):
        raise CertificateWrong("This certificate has run out. Ask the receiver's operator for the current one.")


def client_certificates() -> list[str]:
    """Return the names of our own certificates that have a key beside them."""
    folder = Path(settings.HL7_CERTIFICATES_DIR)
    return sorted(path.stem for path in folder.glob("*.crt") if path.with_suffix(".key").is_file())


def save_destination(*, destination: HL7Destination, wards: Iterable[Ward], by: User) -> HL7Destination:
    """Store a new or changed destination. A change wakes one that had given up for a while.

    Raises CertificateWrong when its certificates cannot be used.
    """
    check_authority(destination.authority)
    client_context(endpoint_of(destination))
    fresh = destination.pk is None
    with transaction.atomic():
        if fresh:
            destination.created_by = by
        destination.retry_at, destination.failures, destination.problem = None, 0, ""
        destination.save()
        destination.wards.set(wards)
        _announce(destination, "hl7_destination_added" if fresh else "hl7_destination_changed", by)
    return destination


def set_enabled(*, destination: HL7Destination, enabled: bool, by: User) -> None:
    """Pause a destination, or let it go on: it catches up with what came meanwhile."""
    with transaction.atomic():
        if HL7Destination.objects.filter(pk=destination.pk).exclude(enabled=enabled).update(enabled=enabled):
            destination.enabled = enabled
            _announce(destination, "hl7_destination_resumed" if enabled else "hl7_destination_paused", by)


def remove_destination(*, destination: HL7Destination, by: User) -> None:
    """Delete a destination with everything that waits for it."""
    with transaction.atomic():
        _announce(destination, "hl7_destination_removed", by)
        destination.delete()


def _announce(destination: HL7Destination, code: str, by: User) -> None:
    """Record the act once for each ward that it concerns."""
    for ward in destination.wards.all():
        record_event(
            category=EventCategory.SECURITY,
            code=code,
            message="What an HL7 receiver is told was changed.",
            ward_id=ward.pk,
            user=by,
            detail={
                "destination": destination.pk,
                "host": destination.host,
                "port": destination.port,
                "metrics": destination.metrics,
                "period_s": destination.period_s,
            },
        )
