"""Who may do what: a plain-Python engine that answers with a decision and its reason."""

from compliance.policy.engine import Decision, Governed, Resource, Scope, Subject, decide, scope_of
from compliance.policy.rules import ROLE_RULES, Reach, Role

__all__ = ["ROLE_RULES", "Decision", "Governed", "Reach", "Resource", "Role", "Scope", "Subject", "decide", "scope_of"]
