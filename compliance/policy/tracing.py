"""Tells how a decision comes about: each thing that was asked, its answer, and which attribute decided.

From the same grants and conditions that decide, so that the account cannot differ from the decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compliance.policy.engine import REACHED, Decision, grants_of, holds, judge, within_hours
from compliance.policy.model import Circumstances, Policy, Rule, Subject
from compliance.policy.rules import Effect, Link
from compliance.policy.scope import Grant, Resource

NOT_REACHED = "does not lead to this record"
ATTRIBUTE_OF_LINK = {
    Link.OWN: "own record",
    Link.NAME: "link by name",
    Link.WARD: "ward",
    Link.BREAK_GLASS: "emergency access",
    Link.HOUSE: "right",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule: the attribute it asks about, what it wants, what was found, and whether it holds."""

    attribute: str
    wanted: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at.

    counts: whether it had a part in the decision. decides: whether it was what settled it, by `attribute`.
    asked: False for a rule that speaks of other roles or rights.
    """

    name: str
    words: str
    counts: bool
    attribute: str = ""
    decides: bool = False
    asked: bool = True
    conditions: tuple[Condition, ...] = ()


def trace(
    policy: Policy, subject: Subject, action: str, circumstances: Circumstances, resource: Resource
) -> Iterator[Step]:
    """Yield the account, the right, the purpose, each link and each rule, with exactly one step that decides."""
    decision = judge(policy, subject, action, circumstances).on(resource)
    grants = list(grants_of(policy, subject, action, circumstances))
    yield from _before_the_rules(policy, subject, action, circumstances, decision)
    for grant in grants:
        leads = grant.reaches(resource)
        decides = decision.rule == f"rights through {grant.link}"
        words = REACHED[grant.link] if leads else NOT_REACHED
        name = f"through {grant.link.replace('_', ' ')}"
        yield Step(name, words, leads, ATTRIBUTE_OF_LINK[grant.link], decides)
    if decision.missing == "care relationship":
        yield Step("no link", decision.reason, True, "care relationship", decides=True)
    for rule in policy.rules:
        yield _rule_step(rule, policy, subject, action, circumstances, grants, resource, decision)


def _before_the_rules(
    policy: Policy, subject: Subject, action: str, circumstances: Circumstances, decision: Decision
) -> Iterator[Step]:
    if not subject.active:
        yield Step("account", "switched off", True, "account", decides=True)
    reach = policy.reach(subject.role, action)
    yield Step("right", f"{subject.role}: {reach or 'none'}", reach is not None, "role", decision.missing == "right")
    purpose = policy.purpose_of(subject.role, circumstances.purpose)
    words = str(purpose or "not one of this role")
    yield Step("purpose", words, purpose is not None, "purpose", decision.missing == "purpose")


def _rule_step(
    rule: Rule, policy: Policy, subject: Subject, action: str, circumstances: Circumstances,
    grants: list[Grant], resource: Resource, decision: Decision,
) -> Step:  # fmt: skip
    name = f"rule: {rule.name}"
    if not rule.concerns(subject.role, action):
        return Step(name, f"not asked: speaks of {_speaks_of(rule, subject, action)}", False, asked=False)
    conditions = tuple(_conditions(rule, policy, subject, circumstances, grants, resource))
    decides = decision.rule == rule.name
    attribute = _deciding(rule, conditions)
    if rule.effect is Effect.CONFIRM:
        asks = decides or (holds(rule, policy, subject, circumstances) and not circumstances.fresh)
        return Step(name, rule.because if asks else "nothing to confirm", asks, attribute, decides, True, conditions)
    taken = [
        grant.link.replace("_", " ")
        for grant in grants
        if grant.reaches(resource)
        for exclusion in grant.excluded
        if exclusion.rule == rule.name and exclusion.covers(resource)
    ]
    words = f"takes away what is reached through {', '.join(taken)}: {rule.because}" if taken else "does not apply here"
    return Step(name, words, bool(taken), attribute, decides, True, conditions)


def _speaks_of(rule: Rule, subject: Subject, action: str) -> str:
    if rule.roles and subject.role not in rule.roles:
        return f"the role {_any_of(rule.roles)}"
    if rule.sensitive and (not rule.actions or action in rule.actions):
        return "rights marked sensitive"
    return "other rights"


def _conditions(
    rule: Rule, policy: Policy, subject: Subject, circumstances: Circumstances, grants: list[Grant], resource: Resource
) -> Iterator[Condition]:
    """Yield what the rule asks about, the conditions that fit last: the last of them is what tips it."""
    if rule.roles:
        yield Condition("role", _any_of(rule.roles), subject.role, True)
    if rule.sensitive:
        yield Condition("right", "marked sensitive", "marked sensitive", True)
    if rule.purposes:
        purpose = policy.purpose_of(subject.role, circumstances.purpose)
        yield Condition("purpose", _any_of(rule.purposes), str(purpose or "none"), purpose in rule.purposes)
    if rule.links:
        through = {grant.link for grant in grants if grant.reaches(resource)}
        found = _any_of(through) if through else "no link"
        yield Condition("link", f"through {_any_of(rule.links)}", found, bool(through & rule.links))
    if rule.hours is not None:
        wanted = f"{rule.hours[0]:%H:%M} to {rule.hours[1]:%H:%M}"
        now = f"{circumstances.at.astimezone(policy.time_zone):%H:%M}"
        yield Condition("time of day", wanted, now, within_hours(rule.hours, policy, circumstances))
    if rule.off_shift:
        found = "on shift, or none recorded" if subject.on_shift else "outside the shift"
        yield Condition("shift", "outside the shift", found, not subject.on_shift)
    if rule.device_states:
        held = resource.device_state in rule.device_states
        yield Condition("device state", _any_of(rule.device_states), resource.device_state or "no device", held)
    if rule.consent_refused is not None:
        refusals = circumstances.refusals.get(rule.consent_refused)
        refused = refusals is None or resource.patient_id in refusals
        found = f"{rule.consent_refused} {'refused' if refused else 'not refused'}"
        yield Condition("consent", f"{rule.consent_refused} refused", found, refused)
    if rule.effect is Effect.CONFIRM:
        found = "fresh" if circumstances.fresh else "none of the last minutes"
        yield Condition("second factor", "not fresh", found, not circumstances.fresh)


def _deciding(rule: Rule, conditions: tuple[Condition, ...]) -> str:
    """Return the attribute on which the rule hangs: the first that does not hold, else the most particular one."""
    failed = next((one.attribute for one in conditions if not one.holds), "")
    return failed or (conditions[-1].attribute if conditions else "rule")


def _any_of(words: frozenset[str] | set[Link]) -> str:
    return ", ".join(sorted(str(word).replace("_", " ") for word in words))
