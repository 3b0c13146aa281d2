"""Small plants that gateways under test find by their dotted path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from devices.emulator.plant import Block, Sample
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
