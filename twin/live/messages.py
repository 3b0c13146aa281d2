"""What the server says to browsers over `/ws/ward/` and `/ws/patient/<id>/`, as typed dictionaries (sent as JSON text).

Cursors make reconnecting gapless: for each device the highest `seq` the page has seen. A page that comes back says
`{"type": "resume", "cursors": {"12": 3456}}` and is sent every later reading from the store before live deltas go on.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class ReadingMessage(TypedDict):
    """One reading as shown."""

    device: int
    metric: str  # key in devices.kinds, such as "glucose"
    seq: int
    t: float  # device time, s since the Unix epoch
    value: float
    received: float  # server time; received - t shows late data


class Hello(TypedDict):
    """First message after connecting: the server's clock, and which kind of page this socket feeds."""

    type: Literal["hello"]
    server_time: float


class Delta(TypedDict):
    """Newest readings of one patient, coalesced to at most four a second."""

    type: Literal["delta"]
    patient: str
    readings: list[ReadingMessage]
    backfill: NotRequired[bool]  # true when replayed after a reconnect


class WaveformMessage(TypedDict):
    """A block of waveform samples (patient page only)."""

    type: Literal["waveform"]
    patient: str
    device: int
    metric: str
    seq: int
    t0: float
    period_s: float
    samples: list[float]


class AlertMessage(TypedDict):
    """An alert was raised or changed."""

    type: Literal["alert"]
    id: int
    patient: str
    priority: str  # high, medium, low (IEC 60601-1-8)
    rule: str
    metric: str | None
    message: str
    state: str  # open, acknowledged, snoozed, resolved
    raised_at: float
    acknowledged_by: str | None


class Notice(TypedDict):
    """Something else about a patient changed (image ready, intake seen, risk recomputed): re-fetch the named panel."""

    type: Literal["notice"]
    patient: str
    panel: str  # alerts, medication, images, devices, timeline, prediction


class Revoked(TypedDict):
    """The right to see this ended; the page shows why and stops."""

    type: Literal["revoked"]
    reason: str
