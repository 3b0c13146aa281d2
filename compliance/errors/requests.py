"""What a request cannot have, or lacks, whatever it is about."""

from __future__ import annotations

from compliance.errors.root import DomainError


class NotPermitted(DomainError):
    """You may not do this. Ask the ward's administrator if you should."""

    code = "not_permitted"
    http_status = 403


class NotFound(DomainError):
    """There is nothing here that you may see."""

    code = "not_found"
    http_status = 404


class TooFast(DomainError):
    """That was too often. Wait a minute and try again."""

    code = "too_fast"
    http_status = 429
    permanent = False


class FormRefused(DomainError):
    """This page was older than your sign-in. Open it again; nothing was changed."""

    code = "form_refused"
    http_status = 403


class BodyTooLarge(DomainError):
    """That is more than one request may carry. Send less."""

    code = "body_too_large"
    http_status = 413


class AddressMalformed(DomainError):
    """This address holds a character that no address of ours has."""

    code = "address_malformed"


class ReasonNeeded(DomainError):
    """Choose a reason from the list."""

    code = "reason_needed"
