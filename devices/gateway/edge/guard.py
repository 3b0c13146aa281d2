"""The watch over the devices: looks after every round, acts at most once for each reason, and says what it did.

Order of an act: the alarm and the wish go to disk, then the command to the device, then its answer to disk, then the
fact to the queue. Killed anywhere between, the gateway repeats the command under the same name, and a pump takes
that once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from uuid import uuid4

from devices.emulator.plant import Actuator, Command, CommandKind, Sample
from devices.gateway.edge import judging
from devices.gateway.edge.journal import Alarm, Journal, Stop
from devices.gateway.edge.judging import Seen
from devices.gateway.edge.memory import Memory
from devices.gateway.edge.rules import (
    EdgeConfig,
    LowBattery,
    LowReservoir,
    OverInfusion,
    Rule,
    SensorSilent,
    SevereLow,
)
from devices.protocol.facts import SWITCHED_OFF, Fact, FactKind

log = logging.getLogger(__name__)

RETRY_AFTER_S = 20.0
MAX_ATTEMPTS = 5
PUMPS = ("insulin_pump", "infusion_pump")
QUIET = {"low_reservoir", "low_battery"}  # alarms that can wait for the next round
NOT_ON = "nothing: acting is not switched on at this gateway"


class Guard:
    """All rules over all devices of one gateway. Called from the collector's thread and from the status page."""

    def __init__(
        self, config: EdgeConfig, kinds: Mapping[int, str], journal: Journal, actuator: Actuator | None
    ) -> None:
        self._config, self._kinds, self._journal = config, kinds, journal
        self._actuator = actuator if config.actuate else None
        self._own = {str(type(rule).__struct_config__.tag): rule for rule in config.all_rules()}
        # device id -> the rules that are other for it, by name; None: off. What the server wished and we follow.
        self.wished: Callable[[int], Mapping[str, Rule | None]] = lambda _device: {}
        self._memory = Memory(judging.looks_back_s(self._own.values()))
        self._started: float | None = None
        self._facts: list[Fact] = []
        self._lock = threading.RLock()
        self._now = 0.0
        for stop in journal.book.stops:  # a device that lost its power meanwhile hears it again, under the same name
            stop.confirmed, stop.attempts = False, 0
        self.online: Callable[[], bool] = lambda: False

    def look(self, samples: Iterable[Sample], now: float) -> list[Fact]:
        """Take in what was measured, act where a rule says so, and return the facts for the server.

        now: the world's time, s since the Unix epoch.
        """
        with self._lock:
            self._started = self._started or now
            self._now = now
            self._memory.look_back(judging.looks_back_s(self._all_rules()))
            self._memory.keep(samples, now)
            if self._config.watch:
                self._judge_all(now)
                self._tend_stops(now)
            facts, self._facts = self._facts, []
            return facts

    def alarms(self) -> list[Alarm]:
        """Return the alarms, newest first."""
        with self._lock:
            return self._journal.book.alarms[::-1]

    def stops(self) -> list[Stop]:
        """Return the pumps that are stopped."""
        with self._lock:
            return list(self._journal.book.stops)

    @property
    def rules(self) -> list[Rule]:
        """The rules of the configuration, in force where nothing else is wished."""
        return list(self._own.values())

    def others(self) -> list[tuple[int, str, Rule | None]]:
        """Return where something else is in force: device, name of the rule, and the rule, None where it is off."""
        return [(device, name, rule) for device in self._kinds for name, rule in self.wished(device).items()]

    def _rule(self, name: str, device: int) -> Rule | None:
        """Return the rule of that name for a device, None where it is off."""
        return self.wished(device).get(name, self._own[name])

    def _all_rules(self) -> Iterator[Rule]:
        yield from self._own.values()
        yield from (rule for _, _, rule in self.others() if rule is not None)

    @property
    def acts(self) -> bool:
        """Whether commands really go to devices."""
        return self._actuator is not None

    def acknowledge(self, number: int) -> bool:
        """Note that somebody at the gateway saw the alarm; False when there is no such alarm to see."""
        with self._lock:
            alarm = next((a for a in self._journal.book.alarms if a.number == number), None)
            if alarm is None or alarm.acknowledged_at is not None:
                return False
            alarm.acknowledged_at = self._now
            if alarm.rule == "over_infusion":  # only a person can say that it is over
                alarm.over_at = alarm.over_at or self._now
            self._journal.save()
            self._tell(FactKind.ACKNOWLEDGED, alarm, "seen at the gateway", {})
            return True

    def resume(self, pump: int) -> bool:
        """Give the insulin back because a person at the gateway says so; False when the pump is not stopped."""
        with self._lock:
            stop = self._journal.stop_of(pump)
            if stop is None:
                return False
            return self._give_back(stop, Seen("somebody at the gateway said so", {}), self._now)

    # --- Judging ---------------------------------------------------------------------------------------------------

    def _judge_all(self, now: float) -> None:
        for name, device, seen in self._verdicts(now):
            alarm = self._journal.open_alarm(name, device)
            if seen is not None and alarm is None:
                self._begin(name, device, seen, now)
            elif seen is None and alarm is not None and name not in ("severe_low", "over_infusion"):
                self._end(alarm, now, switched_off=self._rule(name, device) is None)

    def _verdicts(self, now: float) -> Iterator[tuple[str, int, Seen | None]]:
        """Yield (rule, device that the alarm is about, what was seen or None)."""
        memory, started = self._memory, self._started or now
        for pair in self._config.pairs:
            low = self._rule("severe_low", pair.pump)
            seen = judging.severe_low(memory, pair.cgm, low, now) if isinstance(low, SevereLow) else None
            yield "severe_low", pair.pump, seen
            quiet = self._rule("sensor_silent", pair.cgm)
            is_silent = None
            if isinstance(quiet, SensorSilent):
                is_silent = judging.sensor_silent(memory, pair.cgm, quiet, started, now)
            yield "sensor_silent", pair.cgm, is_silent
        for device, kind in self._kinds.items():
            yield from self._verdicts_on(device, kind, now)

    def _verdicts_on(self, device: int, kind: str, now: float) -> Iterator[tuple[str, int, Seen | None]]:
        memory = self._memory
        if kind in PUMPS:
            told = self._rule("pump_trouble", device) is not None
            yield "pump_trouble", device, judging.pump_trouble(memory, device, now) if told else None
            over = self._rule("over_infusion", device)
            seen = judging.over_infusion(memory, device, kind, over, now) if isinstance(over, OverInfusion) else None
            yield "over_infusion", device, seen
        if kind == "insulin_pump":
            least, low = self._rule("low_reservoir", device), self._is_open("low_reservoir", device)
            seen = judging.low_reservoir(memory, device, least, now, low) if isinstance(least, LowReservoir) else None
            yield "low_reservoir", device, seen
        charge, low = self._rule("low_battery", device), self._is_open("low_battery", device)
        seen = judging.low_battery(memory, device, charge, now, low) if isinstance(charge, LowBattery) else None
        yield "low_battery", device, seen

    def _is_open(self, name: str, device: int) -> bool:
        return self._journal.open_alarm(name, device) is not None

    def _begin(self, name: str, device: int, seen: Seen, now: float) -> None:
        book = self._journal.book
        done = "a local alarm was given"
        alarm = Alarm(book.next_number, name, device, now, seen.words, done, name not in QUIET, not self.online())
        book.next_number += 1
        book.alarms.append(alarm)
        log.warning("event=edge_alarm rule=%s device=%d cut_off=%s", name, device, alarm.cut_off)
        if name == "severe_low" and self._journal.stop_of(device) is None:
            self._stop(alarm, seen, now)
        elif name == "sensor_silent":
            self._to_programmed_basal(alarm, seen, now)
        else:
            self._journal.save()
            self._tell(FactKind.ALARM, alarm, alarm.done, seen.values)

    def _end(self, alarm: Alarm, now: float, *, switched_off: bool = False) -> None:
        """End an alarm: what it was about is over, or nobody looks any more, which is no recovery."""
        alarm.over_at, alarm.switched_off = now, switched_off
        self._journal.save()
        words = "the rule was switched off; whether it is over was not measured" if switched_off else "it is over"
        self._tell(FactKind.OVER, alarm, words, {SWITCHED_OFF: 1.0} if switched_off else {})

    # --- Acting ----------------------------------------------------------------------------------------------------

    def _stop(self, alarm: Alarm, seen: Seen, now: float) -> None:
        if self._actuator is None:
            alarm.done = NOT_ON
            self._journal.save()
            self._tell(FactKind.ALARM, alarm, alarm.done, seen.values)
            return
        stop = Stop(alarm.device_id, now, alarm.number, uuid4().hex)
        self._journal.book.stops.append(stop)
        self._journal.save()
        self._try_stop(stop, alarm, now)
        self._tell(FactKind.ACTED if stop.confirmed else FactKind.ALARM, alarm, alarm.done, seen.values)

    def _try_stop(self, stop: Stop, alarm: Alarm, now: float) -> None:
        stop.attempts, stop.tried_at = stop.attempts + 1, now
        outcome = self._carry_out(Command(CommandKind.SUSPEND, stop.pump, stop.command), now)
        stop.confirmed = outcome == ""
        alarm.done = "the insulin pump was stopped" if stop.confirmed else f"the pump was NOT stopped: {outcome}"
        self._journal.save()

    def _tend_stops(self, now: float) -> None:
        """Give insulin back where the rule says so; try again where a pump did not answer."""
        for stop in self.stops():
            rule = self._recovery(stop.pump)
            cgm = next((pair.cgm for pair in self._config.pairs if pair.pump == stop.pump), None)
            seen = judging.recovered(self._memory, cgm, rule, stop.at, now) if cgm is not None else None
            if seen is None and now - stop.at >= rule.longest_min * 60.0:
                seen = Seen(f"stopped for {rule.longest_min:g} minutes, the longest that is safe", {})
            if seen is not None:  # also where the pump never answered: it may have heard all the same
                self._give_back(stop, seen, now)
            elif not stop.confirmed:
                self._try_again(stop, now)
        self._end_lows_without_stop(now)

    def _recovery(self, pump: int) -> SevereLow:
        """Return by which rule a stopped pump runs again: also where the rule was switched off since."""
        rules = (self._rule("severe_low", pump), self._own["severe_low"])
        return next(rule for rule in rules if isinstance(rule, SevereLow))

    def _try_again(self, stop: Stop, now: float) -> None:
        alarm = self._alarm(stop.alarm)
        if alarm is None or stop.attempts >= MAX_ATTEMPTS or (stop.attempts and now - stop.tried_at < RETRY_AFTER_S):
            return
        told = "was stopped" in alarm.done
        self._try_stop(stop, alarm, now)
        if stop.confirmed and not told:
            self._tell(FactKind.ACTED, alarm, alarm.done, {"attempts": float(stop.attempts)})

    def _end_lows_without_stop(self, now: float) -> None:
        """A low whose pump was never stopped, or is running again, is over when glucose has recovered."""
        for pair in self._config.pairs:
            alarm = self._journal.open_alarm("severe_low", pair.pump)
            if alarm is None or self._journal.stop_of(pair.pump) is not None:
                continue
            if judging.recovered(self._memory, pair.cgm, self._recovery(pair.pump), alarm.at, now) is not None:
                self._end(alarm, now)

    def _give_back(self, stop: Stop, seen: Seen, now: float) -> bool:
        if now - stop.tried_at < RETRY_AFTER_S and stop.attempts > 1 and stop.confirmed:
            return False  # asked a moment ago
        outcome = self._carry_out(Command(CommandKind.RESUME, stop.pump, f"{stop.command}-back"), now)
        stop.tried_at, stop.attempts = now, stop.attempts + 1
        alarm = self._alarm(stop.alarm)
        if outcome:
            log.error("event=edge_resume_failed device=%d", stop.pump)
            self._journal.save()
            return False
        self._journal.book.stops.remove(stop)
        self._journal.save()
        if alarm is not None:
            self._tell(FactKind.RESUMED, alarm, f"the insulin pump runs again: {seen.words}", seen.values)
        return True

    def _to_programmed_basal(self, alarm: Alarm, seen: Seen, now: float) -> None:
        pump = next(pair.pump for pair in self._config.pairs if pair.cgm == alarm.device_id)
        if self._actuator is None:
            alarm.done = NOT_ON
        else:
            self._journal.save()
            outcome = self._carry_out(Command(CommandKind.PROGRAMMED_BASAL, pump, uuid4().hex), now)
            alarm.done = (
                "the pump is back at its programmed basal rate, and nothing corrects"
                if not outcome
                else f"the pump did NOT take the programmed basal rate: {outcome}"
            )
        self._journal.save()
        acted = self._actuator is not None and "NOT" not in alarm.done
        self._tell(FactKind.ACTED if acted else FactKind.ALARM, alarm, alarm.done, seen.values)

    def _carry_out(self, command: Command, now: float) -> str:
        """Return an empty text when the device did it, else why not."""
        if self._actuator is None:
            return "acting is not switched on"
        try:
            outcome = self._actuator.carry_out(command, now)
        except Exception as error:  # a driver's mistake must not end the watch over everybody else
            log.exception("event=actuator_failed device=%d", command.device_id)
            return type(error).__name__
        log.warning("event=edge_command kind=%s device=%d done=%s", command.kind, command.device_id, outcome.done)
        return "" if outcome.done else outcome.words

    def _alarm(self, number: int) -> Alarm | None:
        return next((alarm for alarm in self._journal.book.alarms if alarm.number == number), None)

    def _tell(self, kind: FactKind, alarm: Alarm, done: str, values: Mapping[str, float]) -> None:
        self._facts.append(
            Fact(
                device_id=alarm.device_id,
                t=self._now,
                kind=kind,
                rule=alarm.rule,
                alarm=alarm.number,
                seen=alarm.seen,
                done=done,
                cut_off=not self.online(),
                values=dict(values),
            )
        )
