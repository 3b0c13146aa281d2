"""What the page shows, as plain data: the same for the page and for `/status.json`."""

from __future__ import annotations

from typing import TypedDict


class LineRow(TypedDict):
    """state: connected, silent, cut off or refused. since_s: for how long. why: what ended the last connection."""

    state: str
    since_s: float
    why: str


class QueueRow(TypedDict):
    """One urgency."""

    urgency: str
    waiting: int
    oldest_s: float
    dropped: int


class DiskRow(TypedDict):
    """doses_only: full of dose events, nothing else is stored."""

    used_bytes: int
    max_bytes: int
    dead: int
    doses_only: bool
    held: int


class DeviceRow(TypedDict):
    """age_s: since the last reading; None when none came yet. offset_s: the device's clock against the gateway's."""

    device_id: int
    label: str
    age_s: float | None
    battery_percent: float | None
    signal: str
    offset_s: float | None
    drift_ppm: float | None
    clock: str


class AlarmRow(TypedDict):
    """One alarm; at and over_at in s since the Unix epoch."""

    number: int
    rule: str
    device: str
    at: float
    seen: str
    done: str
    pressing: bool
    cut_off: bool
    over_at: float | None
    switched_off: bool  # over because its rule was switched off
    acknowledged: bool


class StopRow(TypedDict):
    """A pump that the gateway stopped."""

    pump: int
    device: str
    at: float
    confirmed: bool


class SendingRow(TypedDict):
    """How it sends under its budget of energy, in a sentence, and why. hold_s: how long readings gather."""

    words: str
    why: list[str]
    hold_s: float
    batch: int
    deflated: bool


class Snapshot(TypedDict):
    """Everything. now: the world's time, s since the Unix epoch."""

    gateway: int
    software: str
    now: float
    server_offset_s: float | None
    line: LineRow
    queue: list[QueueRow]
    disk: DiskRow
    devices: list[DeviceRow]
    sending: SendingRow | None
    acts: bool
    rules: list[str]
    alarms: list[AlarmRow]
    stops: list[StopRow]
