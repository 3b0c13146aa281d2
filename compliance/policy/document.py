"""A policy as a file that people read and change: TOML, checked word by word before anything is decided by it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import time
from functools import cache
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from compliance.errors import PolicyInvalid
from compliance.policy.model import BreakGlass, Policy, Rule
from compliance.policy.rules import ACTIONS, DECIDED_BY_PATIENTS, Effect, Link, Purpose, Reach, Role

FORMAT = 1
MOST_CHARS = 64 * 1024
HOUSE_FILE = Path(__file__).with_name("house.toml")

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=160)]
Code = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z_]{0,30}\Z")]
Minutes = Annotated[int, msgspec.Meta(ge=1, le=24 * 60)]


class _Rule(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Words
    effect: Effect
    because: Words
    roles: list[Role] = []
    actions: list[str] = []
    links: list[Link] = []
    purposes: list[Purpose] = []
    consent_refused: Purpose | None = None
    sensitive: bool = False
    off_shift: bool = False
    hours: tuple[str, str] | None = None
    device_states: list[Words] = []


class _BreakGlass(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    roles: list[Role]
    minutes: Minutes
    actions: list[str]
    reasons: dict[Code, Words]


class _Document(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    format: int
    name: Words
    shift_grace_min: Annotated[int, msgspec.Meta(ge=0, le=240)] = 0
    time_zone: str = "UTC"
    four_eyes: bool = False
    purposes: dict[Role, list[Purpose]]
    rights: dict[Role, dict[str, Reach]]
    break_glass: _BreakGlass | None = None
    rules: list[_Rule] = []


def read_policy(text: str) -> Policy:
    """Return the policy that `text` states. Raises PolicyInvalid, which names the place and what is wrong there."""
    if len(text) > MOST_CHARS:
        raise PolicyInvalid(f"A policy has at most {MOST_CHARS} characters; this has {len(text)}.")
    try:
        found = msgspec.toml.decode(text, type=_Document)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise PolicyInvalid(f"The policy cannot be read: {error}") from error
    if found.format != FORMAT:
        raise PolicyInvalid(f"This is format {found.format}; the house reads format {FORMAT}.")
    _refuse_unknown(found)
    return Policy(
        name=found.name,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        rights={role: dict(actions) for role, actions in found.rights.items()},
        purposes={role: tuple(purposes) for role, purposes in found.purposes.items()},
        rules=tuple(_rule(rule) for rule in found.rules),
        break_glass=_break_glass(found.break_glass),
        shift_grace_min=found.shift_grace_min,
        time_zone=_zone(found.time_zone),
        four_eyes=found.four_eyes,
    )


@cache
def house_text() -> str:
    """Return the text of the policy that comes with the house."""
    return HOUSE_FILE.read_text(encoding="utf-8")


@cache
def house_policy() -> Policy:
    """Return the policy that comes with the house."""
    return read_policy(house_text())


def _refuse_unknown(found: _Document) -> None:
    for role, actions in found.rights.items():
        _known_actions(actions, f"rights.{role}")
        if actions and not found.purposes.get(role):
            raise PolicyInvalid(f"purposes.{role} is missing: a role with rights needs at least one purpose.")
    names = [rule.name for rule in found.rules]
    for rule in found.rules:
        _known_actions(rule.actions, f"the rule '{rule.name}'")
        if names.count(rule.name) > 1:
            raise PolicyInvalid(f"Two rules are called '{rule.name}'.")
        if rule.consent_refused is not None and rule.consent_refused not in DECIDED_BY_PATIENTS:
            raise PolicyInvalid(f"The rule '{rule.name}': patients are not asked about the use {rule.consent_refused}.")
        if rule.effect is Effect.CONFIRM and (rule.consent_refused or rule.device_states or rule.links):
            raise PolicyInvalid(f"The rule '{rule.name}': confirming cannot depend on consent, links or device states.")
    if found.break_glass is not None:
        _known_actions(found.break_glass.actions, "break_glass")
        if not found.break_glass.reasons:
            raise PolicyInvalid("break_glass.reasons is empty: there is no emergency access without a reason.")


def _known_actions(actions: Iterable[str], where: str) -> None:
    for action in actions:
        if action not in ACTIONS:
            raise PolicyInvalid(f"{where} names the action '{action}', which the house does not know.")


def _rule(rule: _Rule) -> Rule:
    return Rule(
        name=rule.name,
        effect=rule.effect,
        because=rule.because,
        roles=frozenset(rule.roles),
        actions=frozenset(rule.actions),
        links=frozenset(rule.links),
        purposes=frozenset(rule.purposes),
        consent_refused=rule.consent_refused,
        sensitive=rule.sensitive,
        off_shift=rule.off_shift,
        hours=None if rule.hours is None else (_hour(rule.hours[0], rule), _hour(rule.hours[1], rule)),
        device_states=frozenset(rule.device_states),
    )


def _hour(text: str, rule: _Rule) -> time:
    try:
        return time.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        raise PolicyInvalid(f"The rule '{rule.name}': '{text}' is no time of day such as 22:00.") from error


def _break_glass(found: _BreakGlass | None) -> BreakGlass:
    if found is None:
        return BreakGlass()
    return BreakGlass(frozenset(found.roles), frozenset(found.actions), found.minutes, dict(found.reasons))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise PolicyInvalid(f"'{name}' is not a time zone; try Europe/Berlin.") from error
