"""Tells the server how well this gateway hears its devices, and what they say of themselves: firmware, model, maker.

Figures of the air are a summary, at most one every ten minutes and device. Of a device on no radio, or on an emulated
one, no strength is told: there is none to measure.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from devices.emulator.plant import Sample
from devices.gateway.radio import Heard
from devices.gateway.robust import median
from devices.protocol.facts import Fact, FactKind

TELL_EVERY_S = 600.0
AGAIN_S = 86_400.0  # what does not change is told once a day
VIRTUAL = "virtual"  # the radio of that name in a configuration is software
COUNTED = ("connections", "refused", "wrong_crc")


class Hearing:
    """What was told of each device. Called from the collector's thread.

    devices: all of the gateway's. radio: as the configuration names it. air: device id -> how it is heard, of those
    that are heard over a radio.
    """

    def __init__(
        self,
        devices: Collection[int],
        radio: str,
        on_air: Collection[int],
        air: Callable[[], Mapping[int, Heard]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wired = frozenset(devices) - frozenset(on_air)
        self._radio, self._air, self._monotonic = VIRTUAL if radio == VIRTUAL else "bluetooth", air, monotonic
        self._began_s = monotonic()
        self._link_s: dict[int, float] = {}
        self._about: dict[int, tuple[Mapping[str, str], float]] = {}
        self._counts: dict[int, dict[str, int]] = {}

    def look(self, samples: Iterable[Sample], now: float, *, cut_off: bool) -> list[Fact]:
        """Return what there is to tell. now: the world's time, s since the Unix epoch."""
        now_s = self._monotonic()
        facts = []
        for device in {sample.device_id for sample in samples} & self._wired:
            if now_s - self._link_s.get(device, -math.inf) >= AGAIN_S:
                self._link_s[device] = now_s
                facts.append(_fact(FactKind.LINK, device, now, cut_off, "it is read over no radio", {"radio": "none"}))
        for device, heard in self._air().items():
            if heard.connections and now_s - self._link_s.get(device, -math.inf) >= TELL_EVERY_S:
                facts.append(self._heard(device, heard, now, now_s, cut_off))
            if heard.about and self._is_news(device, heard.about, now_s):
                self._about[device] = heard.about, now_s
                seen = "it says what it is"
                facts.append(_fact(FactKind.ABOUT, device, now, cut_off, seen, heard.about))
        return facts

    def _is_news(self, device: int, about: Mapping[str, str], now_s: float) -> bool:
        told, at_s = self._about.get(device, ({}, -math.inf))
        return about != told or now_s - at_s >= AGAIN_S

    def _heard(self, device: int, heard: Heard, now: float, now_s: float, cut_off: bool) -> Fact:
        since_s = now_s - self._link_s.get(device, self._began_s)
        first = device not in self._link_s
        self._link_s[device] = now_s
        new = self._counted(device, heard)
        values = {
            "span_s": round(since_s, 1),
            # The first connection of all is not one that came again.
            "reconnects": float(max(0, new["connections"] - first)),
            "refused": float(new["refused"]),
            "wrong_crc": float(new["wrong_crc"]),
            "connected": float(heard.connected),
        }
        signals = heard.take_signals()
        if signals and self._radio != VIRTUAL:
            values["signals"] = float(len(signals))
            values["rssi_median_dbm"] = round(median(signals), 1)
            values["rssi_lowest_dbm"] = float(min(signals))
        seen = "how well it was heard"
        return _fact(FactKind.LINK, device, now, cut_off, seen, {"radio": self._radio}, values)

    def _counted(self, device: int, heard: Heard) -> dict[str, int]:
        """Return what came since the last time; a radio that was opened anew counts from nothing."""
        totals = {name: int(getattr(heard, name)) for name in COUNTED}
        before = self._counts.get(device, {})
        self._counts[device] = totals
        return {
            name: total - before.get(name, 0) if total >= before.get(name, 0) else total
            for name, total in totals.items()
        }


def _fact(
    kind: FactKind,
    device: int,
    now: float,
    cut_off: bool,
    seen: str,
    texts: Mapping[str, str],
    values: Mapping[str, float] | None = None,
) -> Fact:
    return Fact(
        device_id=device,
        t=now,
        kind=kind,
        rule=kind.value,
        alarm=0,
        seen=seen,
        done="noted",
        cut_off=cut_off,
        values=dict(values or {}),
        texts=dict(texts),
    )
