"""A person's set of recovery codes: made together, shown once, kept as slow hashes."""

from __future__ import annotations

import secrets

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from compliance.factors.recovery import RANDOM_BYTES, make_code
from compliance.factors.recovery import RecoveryCode as Spelled
from compliance.models import EventCategory, RecoveryCode, User
from compliance.services.events import record_event

CODES = 8


def make_codes(*, user: User) -> list[str]:
    """Replace the person's codes and return the new ones, for the only time."""
    codes: dict[str, Spelled] = {}
    while len(codes) < CODES:  # handles tell the codes of a set apart, so that each try costs one slow hash
        code = make_code(secrets.token_bytes(RANDOM_BYTES))
        codes[code.handle] = code
    now = timezone.now()
    rows = [
        RecoveryCode(user=user, handle=code.handle, digest=make_password(code.secret), made_at=now)
        for code in codes.values()
    ]
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # two sets made at once would mix
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(rows)
        record_event(
            category=EventCategory.SECURITY,
            code="recovery_codes_made",
            message="A new set of recovery codes replaced the old one.",
            user=user,
            detail={"codes": CODES},
        )
    return [str(code) for code in codes.values()]


def codes_left(user: User) -> int:
    """Return how many codes are unused."""
    return RecoveryCode.objects.filter(user=user, used_at=None).count()
