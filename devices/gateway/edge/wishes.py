"""What a server may wish of the rules for one device: which are on, and with which bounds.

Bounds only as the configuration could say them. It may switch a rule off, which the configuration cannot, but none of
those that tell of harm or stop insulin for a severe low (`NEVER_OFF`). Whether commands go to devices at all, whether
the gateway watches, and which monitor and pump are one person's stand in the configuration alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from devices.gateway.edge.rules import SAFE, EdgeConfig, Rule, RuleRefused
from devices.kinds.registry import KINDS

RuleWish = Mapping[str, float | bool]  # "on", and the rule's bounds by their names
ON = "on"
RULES: dict[str, type[Rule]] = {str(type(rule).__struct_config__.tag): type(rule) for rule in SAFE}
NEVER_OFF = frozenset({"severe_low", "pump_trouble", "over_infusion"})  # what tells of harm is not silenced from afar
OF_A_PAIR = frozenset({"severe_low", "sensor_silent"})
_OF_KIND = {
    "insulin_pump": ("severe_low", "pump_trouble", "over_infusion", "low_reservoir"),
    "infusion_pump": ("pump_trouble", "over_infusion"),
    "cgm": ("sensor_silent",),
}


class Verdict(NamedTuple):
    """What becomes of one rule for one device. rule: what runs; None: nothing. refused: why a wish is not followed."""

    rule: Rule | None
    wished: bool = False
    refused: str = ""


def rules_for(kind: str) -> tuple[str, ...]:
    """Return the names of the rules that concern devices of a kind, in the order of the built-in ones."""
    known = KINDS.get(kind)
    has_battery = known is not None and any(one.key == "battery" for one in known.measurements)
    return (*_OF_KIND.get(kind, ()), *(("low_battery",) if has_battery else ()))


def rule_from(name: str, kind: str, wish: RuleWish) -> Rule | None:
    """Return the rule that is wished for a device of a kind; None where it is to be off.

    Raises RuleRefused, which names what is unknown, out of bounds or never switched off.
    """
    if name not in RULES:
        raise RuleRefused(f"{name[:40]} is no rule here; known are {', '.join(RULES)}")
    if name not in rules_for(kind):
        raise RuleRefused(f"{name} does not concern this kind of device")
    bounds = {bound: _whole(value) for bound, value in wish.items() if bound != ON}
    if strangers := sorted(bounds.keys() - set(RULES[name].__struct_fields__)):
        raise RuleRefused(f"{name} has no bound {strangers[0][:40]}")
    try:
        rule = msgspec.convert({"rule": name, **bounds}, type=RULES[name])
    except msgspec.ValidationError as error:
        raise RuleRefused(f"{name}: {str(error)[:120]}") from error
    rule.check()
    on = wish.get(ON, True)
    if not isinstance(on, bool):
        raise RuleRefused(f"{name}: on is true or false")
    if not on and name in NEVER_OFF:
        raise RuleRefused(f"{name} tells of harm, and is never switched off from the server")
    return rule if on else None


def _whole(value: float | bool) -> float | bool:
    """Return a count as one: JSON that came through a float has 2.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def judge(
    config: EdgeConfig, kinds: Mapping[int, str], device: int, wishes: Mapping[str, RuleWish]
) -> dict[str, Verdict]:
    """Return what the gateway runs for a device under these wishes: each rule that concerns it, each unknown one."""
    kind = kinds.get(device, "")
    own = {str(type(rule).__struct_config__.tag): rule for rule in config.all_rules()}
    paired = any(device in (pair.cgm, pair.pump) for pair in config.pairs)
    found: dict[str, Verdict] = {}
    for name in [*rules_for(kind), *(wishes.keys() - set(rules_for(kind)))]:
        runs = own.get(name) if config.watch and (paired or name not in OF_A_PAIR) else None
        if name not in wishes:
            found[name] = Verdict(runs)
            continue
        try:
            wished = rule_from(name, kind, wishes[name])
        except RuleRefused as error:
            found[name] = Verdict(runs if name in rules_for(kind) else None, True, error.message)
            continue
        if wished is not None and not config.watch:
            found[name] = Verdict(None, True, "the gateway's configuration says that it does not watch")
        elif wished is not None and runs is None:
            found[name] = Verdict(None, True, "no pair in the gateway's configuration names this device")
        else:
            found[name] = Verdict(wished, True)
    return found
