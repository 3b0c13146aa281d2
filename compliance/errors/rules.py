"""Rules and policies, and the reports of them."""

from __future__ import annotations

from compliance.errors.root import DomainError


class RuleRefused(DomainError):
    """This rule does not follow the language."""

    code = "rule_refused"


class PolicyInvalid(DomainError):
    """This policy cannot be used."""

    code = "policy_invalid"


class PolicyNeedsReason(DomainError):
    """Say why the policy changes: whoever reads its history will want to know."""

    code = "policy_needs_reason"


class PolicyNeedsAnother(DomainError):
    """This policy wants two people: put the text down on the draft page, and somebody else lets it decide."""

    code = "policy_needs_another"
    http_status = 409


class PolicyLocksOut(DomainError):
    """Under this policy nobody of your role could change the policy again. Leave them the right to manage it."""

    code = "policy_locks_out"
    http_status = 409


class ReportNotReady(DomainError):
    """This report is not made yet. It takes some seconds; ask again."""

    code = "report_not_ready"
    http_status = 409
