"""What two policies say differently, in words that can be read beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

from compliance.policy.model import BreakGlass, Policy, Rule
from compliance.policy.rules import ACTIONS, Role

NOTHING = "nothing"
_CONDITIONS = {
    "effect": "effect",
    "because": "words",
    "roles": "roles",
    "actions": "rights",
    "sensitive": "only sensitive rights",
    "links": "reached through",
    "purposes": "purposes",
    "consent_refused": "consent refused to",
    "off_shift": "outside the shift",
    "hours": "time of day",
    "device_states": "device states",
}
_GLASS = {"roles": "who may open", "actions": "rights it reaches", "minutes": "minutes", "reasons": "reasons"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the policies say differently. role, action: whom it is about, where that is one of them."""

    about: str
    before: str
    after: str
    role: str = ""
    action: str = ""


def differences_of(before: Policy, after: Policy) -> list[Difference]:
    """Return what `after` says differently: rights first, then purposes, rules, emergencies and the rest."""
    return [
        *_rights(before, after),
        *_purposes(before, after),
        *_rules(before.rules, after.rules),
        *_break_glass(before.break_glass, after.break_glass),
        *_rest(before, after),
    ]


def _rights(before: Policy, after: Policy) -> Iterator[Difference]:
    for role in Role:
        for action, words in ACTIONS.items():
            was, will = before.reach(role, action), after.reach(role, action)
            if was != will:
                yield Difference(f"{role}: {words}", str(was or "no right"), str(will or "no right"), role, action)


def _purposes(before: Policy, after: Policy) -> Iterator[Difference]:
    for role in Role:
        was, will = before.purposes.get(role, ()), after.purposes.get(role, ())
        if was != will:  # their order counts: the first is the usual one
            yield Difference(f"{role}: used for", ", ".join(was) or NOTHING, ", ".join(will) or NOTHING, role)


def _rules(before: Iterable[Rule], after: Iterable[Rule]) -> Iterator[Difference]:
    old, new = ({rule.name: rule for rule in rules} for rules in (before, after))
    for name in [*old, *(name for name in new if name not in old)]:
        was, will = old.get(name), new.get(name)
        if was is None or will is None:
            about = f"rule {name}"
            yield Difference(about, _told(was), _told(will), _only(was or will, "roles"), _only(was or will, "actions"))
            continue
        for key, words in _CONDITIONS.items():
            if getattr(was, key) != getattr(will, key):
                said, says = (_words(getattr(rule, key)) for rule in (was, will))
                yield Difference(f"rule {name}: {words}", said, says, _only(will, "roles"), _only(will, "actions"))
    shared = [name for name in old if name in new]
    if shared != [name for name in new if name in old]:
        # Of several rules that refuse, the first gives the reason.
        yield Difference("order of the rules", ", ".join(shared), ", ".join(name for name in new if name in old))


def _told(rule: Rule | None) -> str:
    """Return a rule in one sentence; conditions that are empty hold always and are left out."""
    if rule is None:
        return "no such rule"
    said = (
        f"{words} {_words(value)}"
        for key, words in _CONDITIONS.items()
        if key not in {"effect", "because"} and (value := getattr(rule, key))
    )
    return f"{rule.effect}: {rule.because} ({'; '.join(said) or 'always'})"


def _only(rule: Rule | None, key: str) -> str:
    held = frozenset[str]() if rule is None else getattr(rule, key)
    return next(iter(held)) if len(held) == 1 else ""


def _break_glass(before: BreakGlass, after: BreakGlass) -> Iterator[Difference]:
    for key, words in _GLASS.items():
        was, will = getattr(before, key), getattr(after, key)
        if was != will:
            yield Difference(f"emergency access: {words}", _words(was), _words(will))


def _rest(before: Policy, after: Policy) -> Iterator[Difference]:
    for key, words in {
        "name": "name",
        "shift_grace_min": "minutes before and after a shift",
        "time_zone": "time zone of the hours",
        "four_eyes": "two people for another version",
    }.items():
        was, will = getattr(before, key), getattr(after, key)
        if was != will:
            yield Difference(words, _words(was), _words(will))


def _words(value: object) -> str:
    if value is None or value == frozenset() or value == ():
        return "any" if isinstance(value, frozenset) else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{code}: {words}" for code, words in value.items()) or "none"
    if isinstance(value, tuple):
        return " to ".join(f"{moment:%H:%M}" for moment in value)
    if isinstance(value, frozenset):
        return ", ".join(sorted(ACTIONS.get(word, str(word)) for word in value))
    return str(value)


# What a policy holds beside its hash is told above: a new field of a rule must be told as well.
assert {field.name for field in fields(Rule)} == {"name", *_CONDITIONS}  # noqa: S101
