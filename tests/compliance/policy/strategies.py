"""People, circumstances, objects, whole policies and whole policy documents, made up by hypothesis."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from hypothesis import strategies as st

from compliance.policy import ACTIONS, Circumstances, Effect, Link, Policy, Purpose, Reach, Resource, Role, Subject
from compliance.policy.model import BreakGlass, Rule
from compliance.policy.rules import DECIDED_BY_PATIENTS

SOME_ACTIONS = [*sorted(ACTIONS)[:5], "compliance.view_patient"]  # sensitive ones and others
PATIENTS = [UUID(int=n) for n in range(4)]
STATES = ["active", "quarantined", "retired"]

actions = st.sampled_from([*SOME_ACTIONS, "twin.unheard_of"])


def people_among(wards: list[int], patients: list[UUID]) -> st.SearchStrategy[Subject]:
    """Make up people who may be linked to these wards and patients."""
    some = st.frozensets(st.sampled_from(patients), max_size=3)
    return st.builds(
        Subject,
        role=st.sampled_from(list(Role)),
        ward_ids=st.frozensets(st.sampled_from(wards), max_size=3),
        patient_ids=some,
        active=st.booleans(),
        on_shift=st.booleans(),
        own=some,
        opened=some,
    )


def circumstances_among(patients: list[UUID]) -> st.SearchStrategy[Circumstances]:
    """Make up times, purposes, freshness and what these patients refuse."""
    some = st.frozensets(st.sampled_from(patients), max_size=3)
    return st.builds(
        Circumstances,
        at=st.integers(0, 48).map(lambda halves: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * halves)),
        purpose=st.none() | st.sampled_from(list(Purpose)),
        fresh=st.booleans(),
        refusals=st.dictionaries(st.sampled_from(list(Purpose)), some, max_size=3),
    )


subjects = people_among([1, 2, 3, 4], PATIENTS)
circumstances = circumstances_among(PATIENTS)
resources = st.builds(
    Resource,
    st.none() | st.sampled_from(PATIENTS),
    st.none() | st.integers(1, 4),
    st.none() | st.sampled_from(STATES),
)
times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
ANY_RULE = {
    "name": st.sampled_from(["a", "b", "c"]),
    "because": st.just("because"),
    "roles": st.frozensets(st.sampled_from(list(Role)), max_size=2),
    "actions": st.frozensets(st.sampled_from(SOME_ACTIONS), max_size=2),
    "sensitive": st.booleans(),
    "purposes": st.frozensets(st.sampled_from(list(Purpose)), max_size=2),
    "off_shift": st.booleans(),
    "hours": st.none() | st.tuples(times, times),
}
refusing_rules = st.builds(
    Rule,
    effect=st.just(Effect.REFUSE),
    links=st.frozensets(st.sampled_from(list(Link)), max_size=2),
    consent_refused=st.none() | st.sampled_from(sorted(DECIDED_BY_PATIENTS)),
    device_states=st.frozensets(st.sampled_from(STATES), max_size=2),
    **ANY_RULE,
)
confirming_rules = st.builds(Rule, effect=st.just(Effect.CONFIRM), **ANY_RULE)
rights = st.dictionaries(st.sampled_from(SOME_ACTIONS), st.sampled_from(list(Reach)), max_size=6)
policies = st.builds(
    Policy,
    name=st.just("made up"),
    sha256=st.just(""),
    rights=st.dictionaries(st.sampled_from(list(Role)), rights),
    purposes=st.fixed_dictionaries({role: st.just(tuple(Purpose)) for role in Role}),
    rules=st.lists(refusing_rules | confirming_rules, max_size=4).map(tuple),
    break_glass=st.builds(
        BreakGlass,
        roles=st.frozensets(st.sampled_from(list(Role)), max_size=3),
        actions=st.frozensets(st.sampled_from(SOME_ACTIONS), max_size=4),
    ),
)


def document_of(policy: Policy) -> str:
    """Write `policy` down as somebody would, so that what is read back went through every check of the reader."""
    lines = ["format = 1", 'name = "made up"', "", "[purposes]"]
    lines += [f"{role} = {_words(purposes)}" for role, purposes in policy.purposes.items()]
    lines += ["", "[rights]"]
    for role, reaches in policy.rights.items():
        lines += ["", f"[rights.{role}]", *(f'"{action}" = "{reach}"' for action, reach in reaches.items())]
    if policy.break_glass.roles:
        glass = policy.break_glass
        lines += ["", "[break_glass]", f"roles = {_words(glass.roles)}", f"actions = {_words(glass.actions)}"]
        lines += ["minutes = 60", "", "[break_glass.reasons]", 'emergency = "An emergency"']
    for number, rule in enumerate(policy.rules):
        lines += ["", "[[rules]]", f'name = "{rule.name} {number}"', f'effect = "{rule.effect}"', 'because = "because"']
        for name in ("roles", "actions", "links", "purposes", "device_states"):
            lines += [f"{name} = {_words(getattr(rule, name))}"]
        lines += [f"{name} = true" for name in ("sensitive", "off_shift") if getattr(rule, name)]
        lines += [f'consent_refused = "{rule.consent_refused}"'] if rule.consent_refused else []
        lines += [f'hours = ["{rule.hours[0]:%H:%M}", "{rule.hours[1]:%H:%M}"]'] if rule.hours else []
    return "\n".join(lines)


def _words(words: Iterable[str]) -> str:
    return json.dumps(sorted(str(word) for word in words))


documents = policies.map(document_of)
