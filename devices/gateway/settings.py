"""What the server wishes of this gateway's devices: kept over a restart, followed, and told back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec

from devices.emulator.plant import Block, Sample
from devices.gateway.identity import IdentityUnusable, write_private
from devices.kinds.registry import Urgency, urgency_of
from devices.protocol.facts import Fact, FactKind
from devices.protocol.settings import DeviceSettings, GatewaySettings

log = logging.getLogger(__name__)

SLACK_S = 0.05  # devices do not measure to the millisecond: one a second is not to become one in two
USUAL = DeviceSettings()


class _Kept(msgspec.Struct, frozen=True):
    """The file. told: the number that the server was told of."""

    wanted: GatewaySettings = GatewaySettings()
    told: int = 0


class Settings:
    """Taken in by the line, followed by the collector's thread."""

    def __init__(self, path: Path, device_ids: Iterable[int]) -> None:
        self._path, self._devices = path, frozenset(device_ids)
        self._kept = _load(path)
        self._telling = 0  # what news() returned last: told once the collector has put that on the queue
        self._last: dict[tuple[int, int], float] = {}
        self._lock = threading.Lock()

    def of(self, device_id: int) -> DeviceSettings | None:
        """Return what is wished of a device; None for nothing, and the configuration counts."""
        return self._kept.wanted.devices.get(device_id)

    def take(self, wanted: GatewaySettings) -> None:
        """Follow what a welcome wished, from now on and after a restart."""
        with self._lock:
            if wanted != self._kept.wanted:
                log.info("event=settings_taken number=%d devices=%d", wanted.number, len(wanted.devices))
                self._keep(_Kept(wanted, self._kept.told))

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
            _fact(device, one, wanted.number, now) for device, one in wanted.devices.items() if device in self._devices
        ]

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


def _fact(device: int, one: DeviceSettings, number: int, now: float) -> Fact:
    often = f"at most one value of each measurement in {one.every_s:g} s" if one.every_s else "every value"
    return Fact(
        device_id=device,
        t=now,
        kind=FactKind.SET,
        rule="settings",
        alarm=0,
        seen="the server wished other settings",
        done=f"sends {often}{', deflated' if one.deflate else ''}",
        cut_off=False,
        values={"number": float(number), "every_s": one.every_s, "deflate": float(one.deflate)},
    )
