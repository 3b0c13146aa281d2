"""Decides. Pure functions over frozen facts: rights grant, rules take away, and the same grants answer an object check
and a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import time

from compliance.policy.model import Circumstances, Policy, Rule, Subject
from compliance.policy.rules import Effect, Link, Reach
from compliance.policy.scope import Exclusion, Grant, Resource, Scope

REACHED = {
    Link.OWN: "the person's own record",
    Link.NAME: "linked to this patient by name",
    Link.WARD: "works on this ward",
    Link.BREAK_GLASS: "opened this record in an emergency",
    Link.HOUSE: "the role has this right",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and why. `rule` names what decided; `missing` the attribute that would have been needed."""

    allowed: bool
    reason: str
    rule: str = ""
    missing: str = ""
    confirm: bool = False  # allowed once a second factor is fresh

    def __bool__(self) -> bool:
        return self.allowed


def scope_of(policy: Policy, subject: Subject, action: str, circumstances: Circumstances) -> Scope:
    """Return everything on which `subject` may do `action` now. Unknown actions and roles reach nothing.

    Where a rule asks for a fresh second factor and there is none, all of it is locked: such a rule speaks of roles,
    actions and times, never of single objects.
    """
    grants = tuple(grant for grant in grants_of(policy, subject, action, circumstances) if not grant.empty)
    asks = confirmation_of(policy, subject, action, circumstances)
    return Scope(grants) if asks is None or not grants else Scope(locked=grants, confirm=asks.name)


@dataclass(frozen=True, slots=True)
class Judge:
    """What one person may do by one action, worked out once, to be asked about many things.

    asks: the rule because of which it waits for a fresh second factor, where there is none.
    """

    refused: Decision | None
    grants: tuple[Grant, ...]
    asks: Rule | None

    def on(self, resource: Resource) -> Decision:
        """Decide about one thing."""
        found = _on(self.grants, resource) if self.refused is None else self.refused
        return _confirmed(self.asks) if found.allowed and self.asks is not None else found


def judge(policy: Policy, subject: Subject, action: str, circumstances: Circumstances) -> Judge:
    """Return who decides about `action` of `subject`, thing by thing."""
    return Judge(
        _refused_outright(policy, subject, action, circumstances),
        tuple(grants_of(policy, subject, action, circumstances)),
        confirmation_of(policy, subject, action, circumstances),
    )


def decide(
    policy: Policy, subject: Subject, action: str, circumstances: Circumstances, resource: Resource | None = None
) -> Decision:
    """Decide whether `subject` may do `action` on `resource`, or at all when `resource` is None."""
    asked = judge(policy, subject, action, circumstances)
    if resource is not None:
        return asked.on(resource)
    found = _at_all(asked.grants) if asked.refused is None else asked.refused
    # A question about no object in particular is asked to draw a menu: nobody confirms anything to see one.
    about_something = policy.reach(subject.role, action) is Reach.HOUSE
    return _confirmed(asked.asks) if found.allowed and about_something and asked.asks is not None else found


def grants_of(policy: Policy, subject: Subject, action: str, circumstances: Circumstances) -> Iterator[Grant]:
    """Yield what each link of `subject` reaches, with what the rules take out of it; nothing without a right."""
    if _refused_outright(policy, subject, action, circumstances) is not None:
        return
    reach = policy.reach(subject.role, action)
    if reach is Reach.HOUSE:
        links = [Grant(Link.HOUSE)]
    elif reach is Reach.OWN:
        links = [Grant(Link.OWN, patient_ids=subject.own)]
    else:
        links = [Grant(Link.NAME, patient_ids=subject.patient_ids)]
        if reach is Reach.WARD:
            links.append(Grant(Link.WARD, ward_ids=subject.ward_ids))
        if may_open(policy, subject, action):
            links.append(Grant(Link.BREAK_GLASS, patient_ids=subject.opened))
    for grant in links:
        excluded = tuple(_excluded(policy, subject, action, circumstances, grant.link))
        yield Grant(grant.link, grant.ward_ids, grant.patient_ids, excluded)


def confirmation_of(policy: Policy, subject: Subject, action: str, circumstances: Circumstances) -> Rule | None:
    """Return the rule because of which `action` waits for a fresh second factor; None when it waits for nothing."""
    if circumstances.fresh:
        return None
    for rule in policy.rules:
        confirms = rule.effect is Effect.CONFIRM and rule.concerns(subject.role, action)
        if confirms and holds(rule, policy, subject, circumstances):
            return rule
    return None


def may_open(policy: Policy, subject: Subject, action: str) -> bool:
    """Tell whether an emergency access reaches `action`: it widens whom a role reaches, never what it may do."""
    glass = policy.break_glass
    return subject.role in glass.roles and action in glass.actions


def holds(rule: Rule, policy: Policy, subject: Subject, circumstances: Circumstances) -> bool:
    """Tell whether those conditions of `rule` hold that have nothing to do with the object."""
    if rule.off_shift and subject.on_shift:
        return False
    if rule.purposes and policy.purpose_of(subject.role, circumstances.purpose) not in rule.purposes:
        return False
    return rule.hours is None or within_hours(rule.hours, policy, circumstances)


def within_hours(hours: tuple[time, time], policy: Policy, circumstances: Circumstances) -> bool:
    """Tell whether it is between two times of day on the policy's clock; over midnight when the first is later."""
    now = circumstances.at.astimezone(policy.time_zone).time()
    start, end = hours
    return start <= now < end if start <= end else now >= start or now < end


def _refused_outright(policy: Policy, subject: Subject, action: str, circumstances: Circumstances) -> Decision | None:
    if not subject.active:
        return Decision(False, "this account is switched off", missing="active account")
    if policy.reach(subject.role, action) is None:
        return Decision(False, f"the role {subject.role} has no right to {action}", rule="rights", missing="right")
    if policy.purpose_of(subject.role, circumstances.purpose) is None:
        return Decision(
            False, f"the role {subject.role} does not use records for this purpose", rule="purposes", missing="purpose"
        )
    return None


def _excluded(
    policy: Policy, subject: Subject, action: str, circumstances: Circumstances, link: Link
) -> Iterator[Exclusion]:
    for rule in policy.rules:
        if rule.effect is not Effect.REFUSE or not rule.concerns(subject.role, action):
            continue
        if (rule.links and link not in rule.links) or not holds(rule, policy, subject, circumstances):
            continue
        patients = None
        # A refusal that was not looked up takes out everything: silence is no consent.
        if rule.consent_refused is not None and rule.consent_refused in circumstances.refusals:
            patients = circumstances.refusals[rule.consent_refused]
        yield Exclusion(rule.name, rule.because, patients, rule.device_states or None)


def _at_all(grants: tuple[Grant, ...]) -> Decision:
    if any(not grant.empty for grant in grants):
        return Decision(True, "the role has this right", rule="rights")
    for grant in grants:
        total = next((exclusion for exclusion in grant.excluded if exclusion.total), None)
        if total is not None and (grant.ward_ids or grant.patient_ids or grant.link is Link.HOUSE):
            return Decision(False, total.because, rule=total.rule, missing=total.rule)
    return Decision(False, "no ward or patient is linked to this person", missing="care relationship")


def _on(grants: Iterable[Grant], resource: Resource) -> Decision:
    refused: Exclusion | None = None
    for grant in grants:
        if not grant.reaches(resource):
            continue
        exclusion = grant.exclusion_of(resource)
        if exclusion is None:
            return Decision(True, REACHED[grant.link], rule=f"rights through {grant.link}")
        refused = refused or exclusion
    if refused is not None:
        return Decision(False, refused.because, rule=refused.rule, missing=refused.rule)
    return Decision(False, "no care relationship with this patient or ward", missing="care relationship")


def _confirmed(asks: Rule) -> Decision:
    return Decision(True, asks.because, rule=asks.name, missing="fresh second factor", confirm=True)
