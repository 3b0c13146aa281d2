"""Second factors, and proof that it is you."""

from __future__ import annotations

from compliance.errors.root import DomainError


class SecondFactorNeeded(DomainError):
    """This needs proof from the last five minutes that it is you. Confirm it and try again."""

    code = "second_factor_needed"
    http_status = 403


class PasswordNeeded(DomainError):
    """Your password is needed once more before your account is changed."""

    code = "password_needed"
    http_status = 403


class SecondFactorWrong(DomainError):
    """That code is not right. Look at the app again; codes change every half minute."""

    code = "second_factor_failed"


class SecondFactorReplayed(DomainError):
    """That code was used already. Wait for the next one."""

    code = "second_factor_replayed"


class SecondFactorLocked(DomainError):
    """Too many wrong codes. Wait ten minutes, or ask the ward's administrator."""

    code = "second_factor_locked"
    http_status = 429


class LastFactorKept(DomainError):
    """Staff need a second factor, and this is your only one. Add another first, then remove this one."""

    code = "last_factor_kept"
    http_status = 409
