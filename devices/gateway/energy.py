"""How this gateway sends under its budget of energy: it measures what devices bring, chooses, follows, and says why.

The choice is `devices.energy.choice`, the same that a device's page reckons with; what follows it is the pace of the
line. The cipher is not chosen here: it belongs to the device, and the house sets it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import msgspec

from compliance.errors import DomainError
from devices.emulator.plant import Sample
from devices.energy.battery import DAY_S, Battery
from devices.energy.choice import Choice, Wish, choose, most_hold_s
from devices.energy.duty import Duty
from devices.energy.links import LINKS
from devices.energy.words import duration, energy
from devices.kinds.registry import Urgency, urgency_of
from devices.protocol.facts import Fact, FactKind
from devices.protocol.suites import Suite

log = logging.getLogger(__name__)

LEARN_ROUNDS = 3  # before these nothing is known of what the devices bring, and everything leaves at once
CHOOSE_EVERY_S = 60.0
TELL_EVERY_S, AGAIN_S = 600.0, DAY_S
MOST_WORDS = 400


class BudgetRefused(DomainError):
    """The budget of energy cannot be kept to; the sentence says what to mend."""

    code = "gateway_budget_refused"


class EnergyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What sending may cost. most_age_s: how old an ordinary reading may be when it leaves, if it is believed so long.

    battery_mah: 0 where the gateway hangs on the mains. life_days: how long a charge has to last. idle_w: what is drawn
    without sending. level_file: where the charge stands in %, as Linux has it in /sys/class/power_supply/.
    """

    link: str = "wifi"
    most_age_s: float = 60.0
    battery_mah: float = 0.0
    voltage_v: float = 3.7
    idle_w: float = 0.0
    life_days: float | None = None
    level_file: str = ""

    def check(self) -> None:
        """Raise BudgetRefused for what is no budget."""
        if self.link not in LINKS:
            raise BudgetRefused(f"energy.link is {self.link}; known are {', '.join(LINKS)}")
        if not 0 <= self.most_age_s <= 3600:
            raise BudgetRefused(f"energy.most_age_s is {self.most_age_s:g}; a reading may wait 0 to 3600 s")
        if self.battery_mah < 0 or self.voltage_v <= 0 or self.idle_w < 0 or (self.life_days or 1.0) <= 0:
            raise BudgetRefused("energy: a battery has a charge and a voltage, and lasts longer than no time")
        if self.life_days is not None and not self.battery_mah:
            raise BudgetRefused("energy.life_days needs energy.battery_mah: without a battery there is nothing to last")

    @property
    def battery(self) -> Battery | None:
        """What the gateway lives on; None on the mains."""
        if not self.battery_mah:
            return None
        return Battery(self.battery_mah, self.voltage_v, self.idle_w, "the gateway's configuration")

    @property
    def wish(self) -> Wish:
        """What is wanted, but for the cipher."""
        return Wish(self.most_age_s, None if self.life_days is None else self.life_days * DAY_S)


class Follower(Protocol):
    """Who sends as was chosen."""

    def follow(self, hold_s: float, deflate: bool | None) -> None:
        """Gather ordinary readings for so long; deflate them, or not, or as configured for None."""
        ...


class Load:
    """What the devices bring: readings and frames in a round, and how long a round takes."""

    def __init__(self) -> None:
        self.rounds, self._readings, self._frames = 0, 0, 0
        self._first_s = self._last_s = 0.0

    def note(self, samples: Sequence[Sample], now_s: float) -> None:
        """Count one round of ordinary readings. now_s: on the monotonic clock."""
        if not samples:
            return
        if not self.rounds:
            self._first_s = now_s
        self._last_s = now_s
        self.rounds += 1
        self._readings += len(samples)
        self._frames += len({sample.device_id for sample in samples})

    def duty(self, link: str, suite: Suite) -> Duty | None:
        """Return how these would be sent each by itself; None while too little is known."""
        if self.rounds < LEARN_ROUNDS or self._last_s <= self._first_s:
            return None
        return Duty(
            LINKS[link],
            (self._last_s - self._first_s) / (self.rounds - 1),
            max(1, round(self._readings / self.rounds)),
            suite=suite,
            frames=max(1, round(self._frames / self.rounds)),
        )


class Sending:
    """Chooses, and has it followed. Called from the collector's thread; the page reads `choice`.

    believed_s: how long the ward believes a value without a newer one; held longer, it is missed, or alarms too late.
    """

    def __init__(
        self,
        config: EnergyConfig,
        devices: Sequence[int],
        suite: Suite,
        follower: Follower,
        folder: Path,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        believed_s: float,
    ) -> None:
        self._config, self._devices, self._suite, self._follower = config, devices, suite, follower
        self._folder, self._monotonic = folder, monotonic
        self._load = Load()
        self._chosen_s = -math.inf
        self._told: tuple[object, float] | None = None
        self.choice: Choice | None = None
        self._believed_s = believed_s
        self._most_age_s = min(config.most_age_s, most_hold_s(believed_s))
        if config.battery and self._most_age_s < config.most_age_s:
            log.warning("event=budget_shortened most_age_s=%g wanted_s=%g", self._most_age_s, config.most_age_s)

    def look(self, samples: Iterable[Sample], now: float) -> list[Fact]:
        """Take in a round, choose anew when it is time, and return what the server should know. now: world's time."""
        now_s = self._monotonic()
        calm = [one for one in samples if urgency_of([one.metric_code]) is Urgency.TELEMETRY]
        self._load.note(calm, now_s)
        if now_s - self._chosen_s < CHOOSE_EVERY_S:
            return []
        duty = self._load.duty(self._config.link, self._suite)
        if duty is None:
            return []
        self._chosen_s, self._load = now_s, Load()
        self.choice = self._choose(duty)
        deflate = self.choice.duty.deflated if self._config.battery else None
        self._follower.follow(self.choice.duty.worst_age_s, deflate)
        return self._news(self.choice, now, now_s)

    def _choose(self, duty: Duty) -> Choice:
        battery, level = self._config.battery, self._level()
        if battery is None:
            return Choice(duty, math.inf, True, ("It hangs on the mains: nothing has to be spared.",))
        wish = replace(self._config.wish, most_age_s=self._most_age_s, suites=(self._suite,))
        choice = choose(duty, battery, level, wish)
        charge = f"The battery is at {100 * level:.0f} %."
        return replace(choice, why=(*self._shortened_budget(), *choice.why, charge))

    def _shortened_budget(self) -> Iterator[str]:
        wanted_s = self._config.most_age_s
        if self._most_age_s < wanted_s:
            yield (
                f"No reading waits longer than {duration(self._most_age_s)}, although the budget allows "
                f"{duration(wanted_s)}: the ward believes a value for {duration(self._believed_s)}."
            )

    def _level(self) -> float:
        if not self._config.level_file:
            return 1.0
        try:
            return min(max(float((self._folder / self._config.level_file).read_text()) / 100.0, 0.0), 1.0)
        except (OSError, ValueError):  # a charge that cannot be read must not keep readings from leaving
            return 1.0

    def _news(self, choice: Choice, now: float, now_s: float) -> list[Fact]:
        what = (choice.duty.batch, choice.duty.deflated, choice.enough)
        if self._told is not None:
            told, at_s = self._told
            if now_s - at_s < (AGAIN_S if told == what else TELL_EVERY_S):
                return []
        self._told = (what, now_s)
        return [_fact(device, choice, now) for device in self._devices]


def in_words(choice: Choice) -> str:
    """Return what is done, in a sentence."""
    duty = choice.duty
    how = ", deflated" if duty.deflated else ""
    if duty.batch == 1:
        return f"Readings leave as soon as they come{how}: {energy(duty.joules_per_day)} a day for sending."
    return (
        f"Readings leave every {duration(duty.message_every_s)}, {duty.batch} rounds together{how}: "
        f"{energy(duty.joules_per_day)} a day for sending. "
        "Dose events and alarms never wait, and take along what has gathered."
    )


def _fact(device: int, choice: Choice, now: float) -> Fact:
    duty = choice.duty
    values = {
        "batch": float(duty.batch),
        "hold_s": round(duty.worst_age_s, 3),
        "deflated": float(duty.deflated),
        "joules_per_day": round(duty.joules_per_day, 3),
        "enough": float(choice.enough),
    }
    if math.isfinite(choice.life_s):
        values["life_s"] = round(choice.life_s)
    return Fact(
        device_id=device,
        t=now,
        kind=FactKind.SENDING,
        rule="energy",
        alarm=0,
        seen=_shortened(choice.why),
        done=in_words(choice),
        cut_off=False,
        values=values,
    )


def _shortened(sentences: Iterable[str]) -> str:
    """Return as many whole sentences as a fact has room for."""
    told = ""
    for sentence in sentences:
        if len(told) + len(sentence) + 1 > MOST_WORDS:
            break
        told = f"{told} {sentence}".strip()
    return told
