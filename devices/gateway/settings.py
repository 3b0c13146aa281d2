"""What the server wishes of this gateway's devices: kept over a restart, followed, and told back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from devices.emulator.plant import Block, Sample
from devices.gateway.edge.rules import Rule
from devices.gateway.edge.wishes import RULES, RuleWish, Verdict
from devices.gateway.identity import IdentityUnusable, write_private
from devices.gateway.page.words import RULE_NAMES, rule_words
from devices.kinds.registry import Urgency, urgency_of
from devices.protocol.facts import Fact, FactKind
from devices.protocol.settings import DeviceSettings, GatewaySettings
from devices.protocol.suites import SUITE_NAMES, SUITES

log = logging.getLogger(__name__)

SLACK_S = 0.05  # devices do not measure to the millisecond: one a second is not to become one in two
USUAL = DeviceSettings()
MOST_WORDS = 400  # of a sentence in a fact
Judge = Callable[[int, Mapping[str, RuleWish]], dict[str, Verdict]]


class _Kept(msgspec.Struct, frozen=True):
    """The file. told: the number that the server was told of."""

    wanted: GatewaySettings = GatewaySettings()
    told: int = 0


class Settings:
    """Taken in by the line, followed by the collector's thread."""

    def __init__(self, path: Path, device_ids: Iterable[int], judge: Judge = lambda _device, _wishes: {}) -> None:
        """Read what was taken before. judge: says what becomes of wishes for the rules of a device."""
        self._path, self._devices, self._judge = path, frozenset(device_ids), judge
        self._kept = _load(path)
        self._judge_all()
        self._telling = 0  # what news() returned last: told once the collector has put that on the queue
        self._last: dict[tuple[int, int], float] = {}
        self._lock = threading.Lock()

    def of(self, device_id: int) -> DeviceSettings | None:
        """Return what is wished of a device; None for nothing, and the configuration counts."""
        return self._kept.wanted.devices.get(device_id)

    def rules_of(self, device_id: int) -> Mapping[str, Rule | None]:
        """Return the rules that are followed for a device because the server wished them; None: off."""
        return self._in_force.get(device_id, {})

    def _judge_all(self) -> None:
        wanted = self._kept.wanted.devices.items()
        found = {device: self._judge(device, one.rules) for device, one in wanted if one.rules is not None}
        self._verdicts = found
        self._in_force = {
            device: {name: one.rule for name, one in verdicts.items() if one.wished and not one.refused}
            for device, verdicts in found.items()
        }

    def take(self, wanted: GatewaySettings) -> None:
        """Follow what a welcome wished, from now on and after a restart."""
        with self._lock:
            if wanted != self._kept.wanted:
                log.info("event=settings_taken number=%d devices=%d", wanted.number, len(wanted.devices))
                self._keep(_Kept(wanted, self._kept.told))
                self._judge_all()

    def thin(self, measured: Iterable[Sample | Block]) -> list[Sample | Block]:
        """Return what is to be sent. Doses, alarms and waveforms always are, and what comes late is."""
        return [one for one in measured if not isinstance(one, Sample) or self._is_due(one)]

    def _is_due(self, sample: Sample) -> bool:
        every_s = (self.of(sample.device_id) or USUAL).every_s
        if not every_s or urgency_of([sample.metric_code]) is not Urgency.TELEMETRY:
            return True
        key = sample.device_id, sample.metric_code
        last = self._last.get(key)
        if last is not None and last <= sample.t < last + every_s - SLACK_S:
            return False
        self._last[key] = max(sample.t, last or sample.t)
        return True

    def news(self, now: float) -> list[Fact]:
        """Return, once for each number, that it is followed. now: the world's time, s since the Unix epoch."""
        with self._lock:
            wanted = self._kept.wanted
            if self._telling:
                self._keep(_Kept(wanted, self._telling))
                self._telling = 0
            if wanted.number <= self._kept.told:
                return []
            self._telling = wanted.number
        return [
            fact for device in wanted.devices if device in self._devices for fact in self._told(device, wanted, now)
        ]

    def _told(self, device: int, wanted: GatewaySettings, now: float) -> Iterator[Fact]:
        """Yield what is said of one device. The last says that all was said: an older gateway says that alone."""
        found = self._verdicts.get(device, {})
        for name, one in found.items():
            if name in RULES:
                yield _rule_fact(device, name, one, wanted.number, now)
        refused = [*wanted.refused.get(device, ()), *(one.refused for name, one in found.items() if name not in RULES)]
        yield _fact(device, wanted.devices[device], refused, wanted.number, now)

    def _keep(self, kept: _Kept) -> None:
        self._kept = kept
        try:
            write_private(self._path, msgspec.json.encode(kept))
        except IdentityUnusable as error:  # followed all the same, and brought again by the next welcome
            log.error("event=settings_not_kept reason=%r", error.message)


def _load(path: Path) -> _Kept:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return _Kept()
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
        log.error("event=settings_unreadable reason=%r", str(error))
        return _Kept()


def _fact(device: int, one: DeviceSettings, refused: Sequence[str], number: int, now: float) -> Fact:
    often = f"at most one value of each measurement in {one.every_s:g} s" if one.every_s else "every value"
    not_taken = f"; not taken: {'; '.join(refused)}" if refused else ""
    sealed = f", sealed with {SUITES[SUITE_NAMES[one.suite]].label}" if one.suite else ""
    values = {"number": float(number), "every_s": one.every_s, "deflate": float(one.deflate)}
    return Fact(
        device_id=device,
        t=now,
        kind=FactKind.SET,
        rule="settings",
        alarm=0,
        seen="the server wished other settings",
        done=f"sends {often}{', deflated' if one.deflate else ''}{sealed}{not_taken}"[:MOST_WORDS],
        cut_off=False,
        values=values | ({"refused": float(len(refused))} if refused else {}),
    )


def _rule_fact(device: int, name: str, one: Verdict, number: int, now: float) -> Fact:
    if one.refused:
        seen = f"the server's wish is not followed: {one.refused}"
    else:
        seen = "the server wished it" if one.wished else "the gateway's own configuration says so"
    bounds = {} if one.rule is None else {key: float(value) for key, value in msgspec.structs.asdict(one.rule).items()}
    return Fact(
        device_id=device,
        t=now,
        kind=FactKind.SET,
        rule=name,
        alarm=0,
        seen=seen[:MOST_WORDS],
        done=(f"{RULE_NAMES[name]}: off." if one.rule is None else rule_words(one.rule))[:MOST_WORDS],
        cut_off=False,
        values={
            "number": float(number),
            "on": float(one.rule is not None),
            "refused": float(bool(one.refused)),
            **bounds,
        },
    )
