"""Small plants that gateways under test find by their dotted path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from devices.emulator.plant import Block, Command, CommandKind, Outcome, Sample
from devices.kinds.registry import by_key

HEART_RATE, ECG = by_key("heart_rate").code, by_key("ecg").code


class Pulse:
    """Every device reports `count` heart rates at each call, and one ECG block when `ecg` is set."""

    def __init__(self, devices: list[dict[str, Any]], count: int, ecg: bool) -> None:
        self.devices, self.count, self.ecg = devices, count, ecg

    def advance(self, t: float) -> Iterable[Sample | Block]:
        for device in self.devices:
            number = device["device_id"]
            for i in range(self.count):
                yield Sample(number, HEART_RATE, t + i / 1000, 60.0 + i)
            if self.ecg:
                yield Block(number, ECG, t, 0.004, 0.001, np.arange(250, dtype=np.int16))


def build(devices: list[dict[str, Any]], options: dict[str, Any]) -> Pulse:
    return Pulse(devices, options.get("count", 3), options.get("ecg", False))


class Silent:
    def advance(self, t: float) -> Iterable[Sample | Block]:
        return []


def build_silent(devices: list[dict[str, Any]], options: dict[str, Any]) -> Silent:
    return Silent()


class Ward:
    """A heart rate of device 7 at each call; a bolus of device 8 for each new line in a file that a test writes."""

    def __init__(self, bell: Path) -> None:
        self._bell, self._rung = bell, 0

    def advance(self, t: float) -> Iterable[Sample | Block]:
        yield Sample(7, HEART_RATE, t, 60.0)
        rings = len(self._bell.read_text().splitlines()) if self._bell.exists() else 0
        for _ in range(rings - self._rung):
            yield Sample(8, by_key("insulin_bolus").code, t, 2.0)
        self._rung = rings


def build_ward(devices: list[dict[str, Any]], options: dict[str, Any]) -> Ward:
    return Ward(Path(options["bell"]))


class Low:
    """Device 7 measures a severe low at every call; device 8 is a pump that obeys."""

    def __init__(self) -> None:
        self.obeyed: list[Command] = []

    def advance(self, t: float) -> Iterable[Sample | Block]:
        yield Sample(7, by_key("glucose").code, t, 48.0)
        yield Sample(8, by_key("battery").code, t, 80.0)

    def carry_out(self, command: Command, t: float) -> Outcome:
        self.obeyed.append(command)
        return Outcome(True)


def build_low(devices: list[dict[str, Any]], options: dict[str, Any]) -> Low:
    return Low()


class Night:
    """A glucose that falls to a severe low at `low_at`, and rises once the pump was stopped; a reading a minute."""

    def __init__(self, cgm: int, pump: int, low_at: float) -> None:
        self.cgm, self.pump, self.low_at = cgm, pump, low_at
        self.last: float | None = None
        self.stopped_at: float | None = None
        self.running = True

    def advance(self, t: float) -> Iterable[Sample | Block]:
        last = self.last if self.last is not None else t - 0.001
        self.last = t
        for minute in np.arange(np.floor(last / 60.0) + 1, np.floor(t / 60.0) + 1) * 60.0:
            yield Sample(self.cgm, by_key("glucose").code, float(minute), self.glucose(float(minute)))
            yield Sample(self.pump, by_key("insulin_rate").code, float(minute), 0.8 if self.running else 0.0)

    def glucose(self, t: float) -> float:
        if self.stopped_at is not None:
            return min(120.0, 50.0 + max(0.0, t - self.stopped_at) / 60.0 * 4.0)
        return 50.0 if t >= self.low_at else 120.0

    def carry_out(self, command: Command, t: float) -> Outcome:
        self.running = command.kind is not CommandKind.SUSPEND
        self.stopped_at = self.stopped_at or t
        return Outcome(True)


def build_night(devices: list[dict[str, Any]], options: dict[str, Any]) -> Night:
    return Night(options["cgm"], options["pump"], options["low_at"])
