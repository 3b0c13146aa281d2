"""What this package keeps under FIELD_KEY, named for whoever exchanges that key."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from allauth.mfa.models import Authenticator

from compliance.keyring import archive_box, field_box
from compliance.models import ExportFile, HouseKey, Patient, Subscription
from compliance.models.keys import ARCHIVE_CHECK
from compliance.services.rotation import ARCHIVE, FIELD, WrappedColumn, register_wrapped
from compliance.subject_keys import PURPOSE


def register() -> None:
    """Name the columns; called once from AppConfig.ready."""
    register_wrapped(
        WrappedColumn(
            FIELD,
            "keys of patients",
            lambda: Patient.objects.filter(subject_key__isnull=False),
            "subject_key",
            lambda: field_box(PURPOSE),
            context=lambda pk: pk.bytes,
        )
    )
    house = HouseKey.objects
    for key, label, rows, box in (
        (FIELD, "keys of the house", lambda: house.exclude(pk=ARCHIVE_CHECK), lambda: field_box("house-key")),
        (ARCHIVE, "check of the archive's key", lambda: house.filter(pk=ARCHIVE_CHECK), archive_box),
    ):
        register_wrapped(WrappedColumn(key, label, rows, "key_sealed", box, context=lambda pk: str(pk).encode()))
    register_wrapped(
        WrappedColumn(
            FIELD, "files of exports", ExportFile.objects.order_by, "key_sealed", lambda: field_box("bulk-export")
        )
    )
    register_wrapped(
        WrappedColumn(
            FIELD,
            "headers of FHIR subscriptions",
            lambda: Subscription.objects.exclude(headers_sealed=b""),
            "headers_sealed",
            lambda: field_box("fhir-hook"),
        )
    )
    register_wrapped(
        WrappedColumn(
            FIELD,
            "seeds of second factors",
            lambda: Authenticator.objects.filter(type=Authenticator.Type.TOTP),
            "data",
            lambda: field_box("second-factor"),
            load=_seed,
            store=_with_seed,
        )
    )


def _seed(data: dict[str, Any]) -> bytes:
    return b64decode(data["secret"])


def _with_seed(data: dict[str, Any], sealed: bytes) -> dict[str, Any]:
    return {**data, "secret": b64encode(sealed).decode()}
