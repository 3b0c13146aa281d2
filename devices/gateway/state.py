"""What the agent knows of itself at this moment: the line, the devices, the world's clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from devices.emulator.plant import Sample
from devices.energy.choice import Choice
from devices.gateway.clock import ClockEstimate, Clocks
from devices.gateway.config import GatewayConfig
from devices.gateway.edge.guard import Guard
from devices.gateway.energy import in_words
from devices.gateway.greeting import SOFTWARE
from devices.gateway.link import Session
from devices.gateway.page.snapshot import AlarmRow, DeviceRow, LineRow, QueueRow, SendingRow, Snapshot, StopRow
from devices.gateway.page.words import RULE_NAMES, rule_words
from devices.gateway.queue import DiskQueue
from devices.gateway.radio import Heard
from devices.kinds.registry import KINDS, by_key
from devices.protocol.facts import Fact, FactKind

SILENT_S = 5.0


class WorldClock:
    """The world's time: ours, or that of an emulated world that runs faster."""

    def __init__(self, begin: float, speed: float) -> None:
        self._zero, self._speed = time.time(), speed
        self._begin = begin or self._zero

    def now(self) -> float:
        """Return s since the Unix epoch."""
        return self._begin + (time.time() - self._zero) * self._speed


class Line:
    """Whether the server can be reached, since when, and why not."""

    def __init__(self) -> None:
        self.state, self.why = "cut off", ""
        self._since = time.monotonic()
        self._session: Session | None = None

    def up(self, session: Session) -> None:
        """The server welcomed us."""
        self._session = session
        self._become("connected", "")

    @property
    def server_ahead_s(self) -> float | None:
        """How far the server's clock was ahead of this computer's at the welcome; None before the first."""
        return None if self._session is None else self._session.server_ahead_s

    @property
    def answers(self) -> bool:
        """Tell whether the server can be reached: a line that is cut looks open until somebody gives it up."""
        return self.state == "connected" and self._session is not None and self._session.silent_s < SILENT_S

    def down(self, why: str, refused: bool) -> None:
        """The line is gone, or the server does not let us in."""
        self._become("refused" if refused else "cut off", why)

    def _become(self, state: str, why: str) -> None:
        if state != self.state:
            self._since = time.monotonic()
        self.state, self.why = state, why

    def row(self) -> LineRow:
        """Return what the page shows."""
        since_s = time.monotonic() - self._since
        if self.state == "connected" and not self.answers and self._session is not None:
            return {"state": "silent", "since_s": self._session.silent_s, "why": ""}
        return {"state": self.state, "since_s": since_s, "why": self.why}


class Devices:
    """What was last heard of each device, for the page. Filled by the collector's thread."""

    def __init__(self, config: GatewayConfig) -> None:
        self._labels = {
            device.device_id: f"{KINDS[device.kind].label if device.kind in KINDS else device.kind} {device.device_id}"
            for device in config.devices
        }
        self.clocks = Clocks()
        self._heard: dict[int, float] = {}
        self._battery: dict[int, float] = {}
        self.air: Callable[[], Mapping[int, Heard]] = dict  # how devices with a radio are heard

    def hear(self, samples: Iterable[Sample], now: float) -> list[Fact]:
        """Note that devices spoke, and return what is new about their clocks."""
        battery = by_key("battery").code
        newest: dict[int, float] = {}
        for sample in samples:
            self._heard[sample.device_id] = now
            newest[sample.device_id] = max(sample.t, newest.get(sample.device_id, sample.t))
            if sample.metric_code == battery:
                self._battery[sample.device_id] = sample.value
        self.clocks.note(newest, now)
        return [_clock_fact(device, estimate, now) for device, estimate in self.clocks.news(list(newest), now)]

    def label(self, device: int) -> str:
        """Return "Insulin pump 8"."""
        return self._labels.get(device, f"Device {device}")

    def rows(self, now: float) -> list[DeviceRow]:
        """Return what the page shows, the longest silent first."""
        air = self.air()
        estimates = {device: self.clocks.of(device) for device in self._labels}
        rows: list[DeviceRow] = [
            {
                "device_id": device,
                "label": label,
                "age_s": None if device not in self._heard else max(0.0, now - self._heard[device]),
                "battery_percent": self._battery.get(device, air[device].battery if device in air else None),
                "signal": signal_words(air[device]) if device in air else "",
                "offset_s": None if estimate is None else round(estimate.ahead_s, 2),
                "drift_ppm": None if estimate is None else estimate.drift_ppm,
                "clock": "not known yet" if estimate is None else estimate.words,
            }
            for device, label in self._labels.items()
            for estimate in [estimates[device]]
        ]
        return sorted(rows, key=lambda row: (row["age_s"] is not None, -(row["age_s"] or 0.0)))


def signal_words(heard: Heard) -> str:
    """Return "connected, bonded, -60 dBm"."""
    known = [
        "connected" if heard.connected else "not connected",
        "bonded" if heard.bonded else "",
        "" if heard.rssi is None else f"{heard.rssi} dBm".replace("-", "\N{MINUS SIGN}"),
    ]
    return ", ".join(filter(None, known))


def _clock_fact(device: int, estimate: ClockEstimate, now: float) -> Fact:
    values = {"ahead_s": round(estimate.ahead_s, 3), "spread_s": round(estimate.spread_s, 3), "steps": estimate.steps}
    if estimate.drift_ppm is not None:
        values["drift_ppm"] = round(estimate.drift_ppm, 1)
    return Fact(
        device_id=device,
        t=now,
        kind=FactKind.CLOCK,
        rule="clock",
        alarm=0,
        seen=f"its clock is {estimate.words}",
        done="noted",
        cut_off=False,
        values={name: float(value) for name, value in values.items()},
    )


def _sending_row(choice: Choice) -> SendingRow:
    return {
        "words": in_words(choice),
        "why": list(choice.why),
        "hold_s": choice.duty.worst_age_s,
        "batch": choice.duty.batch,
        "deflated": choice.duty.deflated,
    }


def _other_rules(guard: Guard, devices: Devices) -> list[str]:
    return [
        f"{devices.label(device)}, as the server wishes: "
        f"{rule_words(rule) if rule is not None else f'{RULE_NAMES[name]}: off'}"
        for device, name, rule in guard.others()
    ]


def snapshot(
    config: GatewayConfig,
    queue: DiskQueue,
    guard: Guard,
    line: Line,
    devices: Devices,
    held: int,
    now: float,
    choice: Choice | None = None,
) -> Snapshot:
    """Return everything that the page shows; now: the world's time."""
    depth = queue.depth()
    rows: list[QueueRow] = [
        {"urgency": urgency.name.lower(), "waiting": one.waiting, "oldest_s": one.oldest_s, "dropped": one.dropped}
        for urgency, one in depth.classes.items()
    ]
    alarms: list[AlarmRow] = [
        {
            "number": alarm.number,
            "rule": alarm.rule,
            "device": devices.label(alarm.device_id),
            "at": alarm.at,
            "seen": alarm.seen,
            "done": alarm.done,
            "pressing": alarm.pressing,
            "cut_off": alarm.cut_off,
            "over_at": alarm.over_at,
            "switched_off": alarm.switched_off,
            "acknowledged": alarm.acknowledged_at is not None,
        }
        for alarm in guard.alarms()
    ]
    stops: list[StopRow] = [
        {"pump": stop.pump, "device": devices.label(stop.pump), "at": stop.at, "confirmed": stop.confirmed}
        for stop in guard.stops()
    ]
    return {
        "gateway": config.gateway_id,
        "software": SOFTWARE,
        "now": now,
        "server_offset_s": line.server_ahead_s,
        "line": line.row(),
        "queue": rows,
        "disk": {
            "used_bytes": depth.used_bytes,
            "max_bytes": queue.max_bytes,
            "dead": depth.dead,
            "doses_only": depth.doses_only,
            "held": held,
        },
        "devices": devices.rows(now),
        "sending": None if choice is None else _sending_row(choice),
        "acts": guard.acts,
        "rules": [*map(rule_words, guard.rules), *_other_rules(guard, devices)],
        "alarms": alarms,
        "stops": stops,
    }
