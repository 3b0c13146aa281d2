"""Chooses how to send: as soon as the battery allows, and no later than the patient allows. Says why.

The order of the wishes is fixed. A reading is never older than `most_age_s` when it is sent. Within that, the battery
is to last as wanted; within that, readings come as early as possible; and of what is left the cheapest is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from devices.energy.battery import DAY_S, Battery
from devices.energy.duty import Duty
from devices.energy.words import duration, energy
from devices.protocol.suites import Suite

BATCHES = (1, 2, 5, 10, 20, 50, 100, 300)
BURSTS_WHILE_BELIEVED = 3  # one may be late and one lost before the ward takes a value for gone


def most_hold_s(believed_s: float) -> float:
    """Return how long values may stay away at most that the ward believes for so long, in s."""
    return believed_s / BURSTS_WHILE_BELIEVED


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted. life_s: how long the battery has to last from now, None when it hangs on the mains.

    most_age_s: how old an ordinary reading may be when it is sent. suites: ciphers that the house allows.
    """

    most_age_s: float
    life_s: float | None = None
    suites: Sequence[Suite] = (Suite.ASCON_AEAD128, Suite.AES_128_GCM)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, how long the battery lasts with it (s), whether that is enough, and why, a sentence each."""

    duty: Duty
    life_s: float
    enough: bool
    why: tuple[str, ...]


def candidates(now: Duty, wish: Wish) -> Iterator[Duty]:
    """Yield every way of sending that the wish's age allows; one measurement a message is always among them."""
    for batch in BATCHES:
        for suite in wish.suites:
            for deflated in (False, True):
                duty = replace(now, batch=batch, suite=suite, deflated=deflated)
                if batch == 1 or duty.worst_age_s <= wish.most_age_s:
                    yield duty


def choose(now: Duty, battery: Battery, level: float, wish: Wish) -> Choice:
    """Return the best way of sending what `now` measures. level: of the battery, 1 is full."""
    found = [(duty, battery.life_s(duty.power_w, level)) for duty in candidates(now, wish)]
    lasting = [pair for pair in found if wish.life_s is None or pair[1] >= wish.life_s]
    if lasting:
        duty, life_s = min(lasting, key=lambda pair: (pair[0].worst_age_s, pair[0].power_w))
    else:
        duty, life_s = min(found, key=lambda pair: pair[0].power_w)
    return Choice(duty, life_s, bool(lasting), tuple(_why(duty, life_s, bool(lasting), battery, level, wish)))


def _why(duty: Duty, life_s: float, enough: bool, battery: Battery, level: float, wish: Wish) -> Iterator[str]:
    if not enough and wish.life_s is not None:
        yield (
            f"Nothing that is allowed lasts {duration(wish.life_s)}: this lasts longest, {duration(life_s)}. "
            "A longer period or older readings would."
        )
    yield _why_batch(duty, enough, battery, level, wish)
    plain = replace(duty, deflated=not duty.deflated)
    spared_j = plain.joules_per_day - duty.joules_per_day
    if duty.deflated:
        yield f"Deflated: spares {energy(spared_j)} a day."
    else:
        yield f"Not deflated: that would cost {energy(spared_j)} a day more." if spared_j > 0 else "Not deflated."
    others = [suite for suite in wish.suites if suite is not duty.suite]
    for suite in others:
        more_j = replace(duty, suite=suite).joules_per_day - duty.joules_per_day
        if duty.suite is not None and more_j > 0:
            yield f"{duty.suite.facts.label}: {suite.facts.label} would cost {energy(more_j)} a day more."


def _why_batch(duty: Duty, enough: bool, battery: Battery, level: float, wish: Wish) -> str:
    many = "Each measurement is sent by itself" if duty.batch == 1 else f"{duty.batch} measurements a message"
    if wish.life_s is None:
        return f"{many}: it hangs on the mains, so readings come as early as they can."
    if not enough:
        return f"{many}: no reading may be older than {duration(wish.most_age_s)} when it is sent."
    if duty.batch == 1:
        return f"{many}: the battery lasts {duration(battery.life_s(duty.power_w, level))} even so."
    fewer = replace(duty, batch=BATCHES[BATCHES.index(duty.batch) - 1])
    short_s = battery.life_s(fewer.power_w, level)
    return f"{many}: with {fewer.batch} it would last {duration(short_s)} of the {duration(wish.life_s)} wanted."


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two ways of sending on one battery."""

    now: Duty
    then: Duty
    now_life_s: float
    then_life_s: float

    @property
    def delay_grows_s(self) -> float:
        """How much later a crossed limit is known at worst, in s; negative when it is known earlier."""
        return self.then.worst_delay_s - self.now.worst_delay_s

    @property
    def joules_saved_per_day(self) -> float:
        """Energy of sending that is spared, in J a day."""
        return (self.now.power_w - self.then.power_w) * DAY_S


def compare(now: Duty, then: Duty, battery: Battery, level: float = 1.0) -> Comparison:
    """Return what `then` would change."""
    return Comparison(now, then, battery.life_s(now.power_w, level), battery.life_s(then.power_w, level))


@dataclass(frozen=True, slots=True)
class Believed:
    """For how long the ward believes a value without a newer one, in s.

    device: those of the device itself. gateway: the shortest-lived of all that its gateway sends together.
    """

    device: float
    gateway: float


@dataclass(frozen=True, slots=True)
class Sent:
    """How what was asked for would really be sent, and what was shortened of it, a sentence each."""

    duty: Duty
    shortened: tuple[str, ...] = ()


def as_sent(asked: Duty, believed: Believed) -> Sent:
    """Return what a gateway makes of a wish: no value stays away until the ward has ceased to believe the one before.

    The period is bounded by what the device's own values live for, the gathering by all that leave together.
    """
    why = []
    every_s, hold_s = most_hold_s(believed.device), most_hold_s(believed.gateway)
    duty = replace(asked, period_s=min(asked.period_s, every_s))
    if duty.period_s < asked.period_s:
        why.append(
            f"Not every {duration(asked.period_s)} but every {duration(every_s)}: the ward believes its values for "
            f"{duration(believed.device)} and has to hear from it {BURSTS_WHILE_BELIEVED} times in that time."
        )
    duty = replace(duty, batch=_most_batch(duty, hold_s))
    if duty.batch < asked.batch:
        why.append(
            f"Not {asked.batch} measurements a message but {duty.batch}: no reading waits longer than "
            f"{duration(hold_s)} at its gateway, where values lie that are believed for {duration(believed.gateway)}."
        )
    return Sent(duty, tuple(why))


def _most_batch(duty: Duty, hold_s: float) -> int:
    """Return the most measurements a message, of those asked for, of which none waits for longer than `hold_s`."""
    allowed = [batch for batch in BATCHES if batch <= duty.batch and replace(duty, batch=batch).worst_age_s <= hold_s]
    return max(allowed, default=1)
