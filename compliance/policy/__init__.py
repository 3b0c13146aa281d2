"""Who may do what: a plain-Python engine over a policy that is data, which answers with a decision and its reason."""

from compliance.policy.document import house_policy, house_text, read_policy
from compliance.policy.engine import Decision, Judge, decide, judge, scope_of
from compliance.policy.model import Circumstances, Policy, Subject
from compliance.policy.rules import ACTIONS, SENSITIVE, Effect, Link, Purpose, Reach, Role
from compliance.policy.scope import Exclusion, Governed, Grant, Resource, Scope

__all__ = [
    "ACTIONS",
    "SENSITIVE",
    "Circumstances",
    "Decision",
    "Effect",
    "Exclusion",
    "Governed",
    "Grant",
    "Judge",
    "Link",
    "Policy",
    "Purpose",
    "Reach",
    "Resource",
    "Role",
    "Scope",
    "Subject",
    "decide",
    "house_policy",
    "house_text",
    "judge",
    "read_policy",
    "scope_of",
]
