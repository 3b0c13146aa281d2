"""Orders, doses, and what people record of them."""

from __future__ import annotations

from collections.abc import Mapping

from compliance.errors.root import DomainError


class DoseNotOpen(DomainError):
    """This dose cannot be marked now: it is not due yet, it is settled already, or it was due too long ago."""

    code = "dose_not_open"
    http_status = 409


class IntakeNotWithdrawable(DomainError):
    """Only an entry made by hand can be taken back, once, and within twelve hours."""

    code = "intake_not_withdrawable"
    http_status = 409


class OrderRefused(DomainError):
    """This order cannot be written as it stands."""

    code = "order_refused"

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(" ".join(faults.values()))
        self.faults = dict(faults)


class OrderNotOpen(DomainError):
    """This order was stopped or changed meanwhile. Look at the newest version."""

    code = "order_not_open"
    http_status = 409


class DoseRefused(DomainError):
    """The dose guard refused this dose. `code` names why."""

    http_status = 409

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EntryNotCorrectable(DomainError):
    """This entry was corrected already; correct the newest one."""

    code = "entry_not_correctable"
    http_status = 409


class NothingWasGiven(DomainError):
    """This entry says that nothing was given. Take it back, then record the dose: the order is asked again."""

    code = "nothing_was_given"
    http_status = 409
