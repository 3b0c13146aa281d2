"""The log and what it proves."""

from __future__ import annotations

from compliance.errors.root import DomainError


class LogNotAnew(DomainError):
    """The log cannot be begun anew now."""

    code = "log_not_anew"
    http_status = 409


class NothingToProve(DomainError):
    """Nothing here has its place in the log yet. New entries get theirs within seconds: try again."""

    code = "nothing_to_prove"
    http_status = 409


class TooMuchToProve(DomainError):
    """These are more than 10,000 entries. Ask for a shorter time."""

    code = "too_much_to_prove"
    http_status = 413


class KeptCheckpointRefused(DomainError):
    """The kept checkpoint cannot be the beginning of this log."""

    code = "kept_checkpoint_refused"


class LogQuestionWrong(DomainError):
    """This filter cannot be read. Open the log again and choose anew."""

    code = "log_question_wrong"
