"""A person's second factors: who must have one, adding, naming and removing them. Each change is a security event."""

from __future__ import annotations

from base64 import b32decode
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import encrypt
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from compliance.errors import LastFactorKept, NotFound, SecondFactorWrong
from compliance.factors import totp
from compliance.models import EventCategory, RecoveryCode, User
from compliance.services.events import record_event

OFFERED_ONLY = {"caregiver", "patient", "none"}  # every other role is staff, one that is added tomorrow included
MOST_NAME = 40
KIND_WORDS = {Authenticator.Type.TOTP: "app", Authenticator.Type.WEBAUTHN: "passkey"}


def factors_of(user: User) -> QuerySet[Authenticator]:
    """Return what counts as this person's second factors: one that a demonstration made counts only in one."""
    mine: QuerySet[Authenticator] = Authenticator.objects.filter(user=user, type__in=KIND_WORDS).order_by("created_at")
    return mine if settings.DEMO else mine.filter(data__demo__isnull=True)


def must_enrol(user: User) -> bool:
    """Tell whether this person is staff without a second factor, and so may do nothing but add one."""
    return user.role not in OFFERED_ONLY and not factors_of(user).exists()


@transaction.atomic
def add_app(*, user: User, secret: str, code: str, now: float) -> Authenticator:
    """Enrol an authenticator app, in place of the one before, once it has shown a right code.

    Raises SecondFactorWrong. The code is used up: whoever read it over a shoulder cannot sign in with it.
    """
    step = totp.matching_step(b32decode(secret), code, now)
    if step is None:
        raise SecondFactorWrong
    Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).delete()
    data = {"secret": encrypt(secret), "last_step": step}
    factor = Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data=data)
    _record("factor_added", "A second factor was added.", factor)
    return factor


@transaction.atomic
def add_passkey(*, user: User, name: str, credential: dict[str, Any]) -> Authenticator:
    """Keep a passkey that was registered with the person verified."""
    factor: Authenticator = WebAuthn.add(user, passkey_name(user, name), credential).instance
    _record("factor_added", "A second factor was added.", factor)
    return factor


def passkey_name(user: User, wanted: str) -> str:
    """Return the wanted name, cut to size, or the next number."""
    number = Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN).count() + 1
    return wanted.replace("\0", "").strip()[:MOST_NAME] or f"Passkey {number}"


@transaction.atomic
def rename_passkey(*, user: User, factor_id: int, name: str) -> None:
    """Give a passkey another name. Raises NotFound."""
    factor = _locked(user, factor_id)
    if factor.type != Authenticator.Type.WEBAUTHN:
        raise NotFound
    factor.data["name"] = name.replace("\0", "").strip()[:MOST_NAME] or factor.data["name"]
    factor.save(update_fields=["data"])


@transaction.atomic
def remove_factor(*, user: User, factor_id: int) -> None:
    """Remove a second factor. Raises NotFound, and LastFactorKept for the only one of staff."""
    User.objects.select_for_update().get(pk=user.pk)  # two last ones removed at once would leave none
    factor = _locked(user, factor_id)
    others = factors_of(user).exclude(pk=factor.pk).exists()
    if not others and user.role not in OFFERED_ONLY:
        raise LastFactorKept
    _record("factor_removed", "A second factor was removed.", factor)
    factor.delete()
    if not others:
        RecoveryCode.objects.filter(user=user).delete()  # they stand in for a factor that is no more


@transaction.atomic
def remove_all_factors(*, user: User) -> int:
    """Remove every second factor and recovery code of somebody who lost them; returns how many factors there were."""
    factors = list(Authenticator.objects.select_for_update().filter(user=user))
    for factor in factors:
        _record("factor_removed", "A second factor was removed from outside, because it was lost.", factor)
        factor.delete()
    RecoveryCode.objects.filter(user=user).delete()
    return len(factors)


def _locked(user: User, factor_id: int) -> Authenticator:
    found = Authenticator.objects.select_for_update().filter(user=user, pk=factor_id, type__in=KIND_WORDS).first()
    if found is None:
        raise NotFound
    return found


def _record(code: str, message: str, factor: Authenticator) -> None:
    detail = {"kind": KIND_WORDS[Authenticator.Type(factor.type)], "factor": factor.pk}
    record_event(category=EventCategory.SECURITY, code=code, message=message, user=factor.user, detail=detail)
