"""Second factors of the demonstration. Everybody may know these, so the page itself shows the current code, and only a
factor that the demonstration made, in an installation that is one, is ever shown."""

from __future__ import annotations

import time
from base64 import b32decode

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.mfa.utils import decrypt, encrypt
from django.conf import settings

from compliance.factors import totp
from compliance.models import User

MARK = "demo"


def ensure_demo_factor(user: User) -> None:
    """Give a person of the demonstration a second factor, unless they have one."""
    if not Authenticator.objects.filter(user=user).exists():
        data = {"secret": encrypt(generate_totp_secret()), MARK: True}
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data=data)


def demo_code(user: User) -> str | None:
    """Return a code that is good now, or "" until the next is due; None for real people and outside a demonstration."""
    if not settings.DEMO:
        return None
    factor = Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP, data__demo=True).first()
    if factor is None:
        return None
    now = totp.step_of(time.time())
    step = max(now, factor.data.get("last_step", -1) + 1)
    if step > now + totp.TOLERANCE_STEPS:
        return ""
    return totp.code_at(b32decode(decrypt(factor.data["secret"])), step)
