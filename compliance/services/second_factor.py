"""Whether a person has proved, with more than the password, that it is they: codes checked, and how long ago.

Passkeys are checked by allauth and fido2; what is proved either way is noted in the session, and `is_fresh` reads it.
"""

from __future__ import annotations

import time
from base64 import b32decode
from datetime import UTC, datetime, timedelta

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt
from django.contrib.auth.hashers import check_password
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from compliance.errors import DomainError, SecondFactorLocked, SecondFactorReplayed, SecondFactorWrong
from compliance.factors import recovery, totp
from compliance.models import EventCategory, RecoveryCode, User
from compliance.services.events import record_event
from compliance.services.factors import factors_of
from compliance.services.guessing import count_failure, forget_failures, locked

FRESH_FOR = timedelta(minutes=5)
METHOD, PASSWORD = "mfa", "password"  # as allauth names them in the session


def is_fresh(request: HttpRequest) -> bool:
    """Tell whether this session proved a second factor within the last five minutes."""
    return proved_lately(request, METHOD)


def proved_lately(request: HttpRequest, method: str) -> bool:
    """Tell whether this session proved its person by `method` within the last five minutes."""
    proved = _last_proof(request, method)
    return proved is not None and 0 <= time.time() - proved < FRESH_FOR.total_seconds()


def proved_at(request: HttpRequest) -> datetime | None:
    """Return when this session last proved a second factor."""
    proved = _last_proof(request, METHOD)
    return None if proved is None else datetime.fromtimestamp(proved, tz=UTC)


def _last_proof(request: HttpRequest, method: str) -> float | None:
    records = get_authentication_records(request, request.user)
    return max((float(record["at"]) for record in records if record["method"] == method), default=None)


def note_proof(request: HttpRequest, user: User, kind: str) -> None:
    """Note in the session, and in the log, that `user` proved a second factor now: a rule asks for it before orders."""
    record_authentication(request, user, METHOD, type=kind)
    record_event(
        category=EventCategory.SECURITY,
        code="second_factor_proved",
        message="A second factor was proved.",
        user=user,
        detail={"kind": kind},
    )


def check_code(request: HttpRequest, *, user: User, code: str) -> str:
    """Return the kind of factor (an Authenticator.Type) that `code` proves, and use the code up.

    Raises SecondFactorLocked, SecondFactorReplayed or SecondFactorWrong; each is recorded, and wrong ones are counted.
    """
    refuse_when_locked(request, user)
    try:
        kind = _use_recovery_code(user, code) if recovery.read_code(code) else _use_totp(user, code)
    except DomainError as error:
        note_failure(request, user, error)
        raise
    forget_failures(user)
    return kind


def refuse_when_locked(request: HttpRequest, user: User) -> None:
    """Raise SecondFactorLocked after too many wrong tries."""
    if locked(request, user):
        raise SecondFactorLocked


def note_failure(request: HttpRequest, user: User, error: DomainError) -> None:
    """Count a wrong second factor and keep a replay as what it is: the sign of somebody who watched."""
    count_failure(request, user)
    if isinstance(error, SecondFactorReplayed):
        record_event(
            category=EventCategory.SECURITY, code=error.code, message="A used code came again.", user=user, fold=True
        )


def _use_totp(user: User, code: str) -> str:
    with transaction.atomic():
        factor = factors_of(user).select_for_update().filter(type=Authenticator.Type.TOTP).first()
        if factor is None:
            raise SecondFactorWrong
        step = totp.matching_step(b32decode(decrypt(factor.data["secret"])), code, time.time())
        if step is None:
            raise SecondFactorWrong
        if step <= factor.data.get("last_step", -1):
            raise SecondFactorReplayed
        factor.data["last_step"] = step
        factor.last_used_at = timezone.now()
        factor.save(update_fields=["data", "last_used_at"])
    return str(Authenticator.Type.TOTP)


def _use_recovery_code(user: User, typed: str) -> str:
    code = recovery.read_code(typed)
    found = code and RecoveryCode.objects.filter(user=user, handle=code.handle).first()
    if not (code and found and check_password(code.secret, found.digest)):
        raise SecondFactorWrong
    # The update decides between two that come at once: one of them finds no unused row.
    if not RecoveryCode.objects.filter(pk=found.pk, used_at=None).update(used_at=timezone.now()):
        raise SecondFactorReplayed
    record_event(
        category=EventCategory.SECURITY,
        code="recovery_code_used",
        message="A recovery code stood in for the second factor.",
        user=user,
        detail={"left": RecoveryCode.objects.filter(user=user, used_at=None).count()},
    )
    return str(Authenticator.Type.RECOVERY_CODES)
