"""The rules as a configuration names them, with safe values built in and bounds that no configuration may leave.

Sources: below 54 mg/dL is level 2 hypoglycaemia, which needs action at once (ADA Standards of Care 2025, section 6);
suspending insulin before or at a low and giving it back by itself after two hours at most is what pumps with
low-glucose suspend do (Bergenstal et al., N Engl J Med 2013, 369:224); without basal insulin ketones rise within hours.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from compliance.errors import DomainError


class RuleRefused(DomainError):
    """A rule of the configuration is outside what is safe; the sentence says which value."""

    code = "gateway_rule_refused"


class SevereLow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="severe_low"):
    """Stop the insulin when glucose is severely low, or will be; give it back when it has recovered, or in time."""

    below_mg_dl: float = 54.0
    in_a_row: int = 2
    ahead_min: float = 15.0  # 0: never on a prediction
    predict_under_mg_dl: float = 100.0  # a steep fall from higher up is left to people
    resume_at_mg_dl: float = 80.0
    resume_in_a_row: int = 3
    longest_min: float = 120.0

    def check(self) -> None:
        """Raise RuleRefused for values that would stop insulin needlessly or for too long."""
        _within("below_mg_dl", self.below_mg_dl, 40, 70)
        _within("in_a_row", self.in_a_row, 1, 5)
        _within("ahead_min", self.ahead_min, 0, 30)
        _within("predict_under_mg_dl", self.predict_under_mg_dl, self.below_mg_dl, 120)
        _within("resume_at_mg_dl", self.resume_at_mg_dl, self.below_mg_dl + 10, 140)
        _within("resume_in_a_row", self.resume_in_a_row, 2, 10)
        _within("longest_min", self.longest_min, 15, 240)


class SensorSilent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="sensor_silent"):
    """Without glucose nobody may correct: the pump goes back to the basal rate that is programmed in it."""

    after_min: float = 20.0

    def check(self) -> None:
        """Raise RuleRefused for values that are no silence or no watch."""
        _within("after_min", self.after_min, 5, 120)


class PumpTrouble(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="pump_trouble"):
    """A pump's own alarm (occlusion, empty, air in line) is shown where the patient is."""

    def check(self) -> None:
        """Nothing can be wrong with it."""


class OverInfusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="over_infusion"):
    """A pump has delivered more than its rate and its boluses account for."""

    window_min: float = 15.0
    tolerance: float = 0.2  # of what was due
    slack_u: float = 1.0  # insulin, beyond the tolerance
    slack_ml: float = 5.0

    def check(self) -> None:
        """Raise RuleRefused for values that hide an over-infusion."""
        _within("window_min", self.window_min, 5, 120)
        _within("tolerance", self.tolerance, 0.05, 0.5)
        _within("slack_u", self.slack_u, 0.2, 3)
        _within("slack_ml", self.slack_ml, 0.5, 20)


class LowReservoir(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="low_reservoir"):
    """An insulin reservoir is nearly empty."""

    below_u: float = 20.0

    def check(self) -> None:
        """Raise RuleRefused for values beyond a reservoir."""
        _within("below_u", self.below_u, 1, 200)


class LowBattery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="low_battery"):
    """A device's battery is nearly empty."""

    below_percent: float = 15.0

    def check(self) -> None:
        """Raise RuleRefused for values that are no charge."""
        _within("below_percent", self.below_percent, 1, 90)


Rule = SevereLow | SensorSilent | PumpTrouble | OverInfusion | LowReservoir | LowBattery
SAFE: tuple[Rule, ...] = (SevereLow(), SensorSilent(), PumpTrouble(), OverInfusion(), LowReservoir(), LowBattery())


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The glucose monitor and the insulin pump of one person: device ids."""

    cgm: int
    pump: int


class EdgeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the gateway watches. `rules` replaces the built-in rule of the same name; the others stay.

    actuate: whether commands really go to devices. Without it the gateway only says what it would have done.
    """

    watch: bool = True
    actuate: bool = False
    pairs: tuple[Pair, ...] = ()
    rules: tuple[Rule, ...] = ()

    def all_rules(self) -> tuple[Rule, ...]:
        """Return the rules in force, one of each name."""
        own = {type(rule): rule for rule in self.rules}
        return tuple(own.get(type(rule), rule) for rule in SAFE)

    def check(self, device_ids: Iterable[int]) -> None:
        """Raise RuleRefused when a rule is unsafe or doubled, or a pair names a device that is not there."""
        if len({type(rule) for rule in self.rules}) != len(self.rules):
            raise RuleRefused("a rule stands twice in the configuration")
        for rule in self.rules:
            rule.check()
        known, worn = set(device_ids), [device for pair in self.pairs for device in (pair.cgm, pair.pump)]
        if strangers := sorted(set(worn) - known):
            raise RuleRefused(f"a pair names devices that this gateway does not have: {strangers}")
        if len(set(worn)) != len(worn):
            raise RuleRefused("a device stands in two pairs: whose is it?")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise RuleRefused(f"{name} is {value:g}; safe is {low:g} to {high:g}")
