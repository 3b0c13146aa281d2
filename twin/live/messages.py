"""What the server says to browsers over `/ws/ward/` and `/ws/patient/<id>/`, as typed dictionaries (sent as JSON text).

Cursors make reconnecting gapless: for each device the highest `seq` the page has seen. A page that comes back says
`{"type": "resume", "cursors": {"12": 3456}}` and is sent every later reading from the store before live deltas go on.
Where several gateways hear a device, each is a stream of its own (`devices.telemetry.lanes`).
(The ward page is sent the newest of every metric instead: it shows no history.)

Marks keep memory bounded: the server cannot see whether a browser still reads, so it sends `{"type": "mark", "n": 3}`
after every few dozen kilobytes, the page sends it back as it is, and a page that is too far behind is told nothing
more until it has caught up; then it is served from the store.
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


class Narrowed(TypedDict):
    """Between processes only: what these people may see has shrunk, so their pages ask the policy again."""

    type: Literal["narrowed"]
    users: list[int]


class Moved(TypedDict):
    """Between processes only: a device went to another patient, or to nobody, so pages that show it ask whose it is."""

    type: Literal["moved"]
    device: int


class Mark(TypedDict):
    """Send me back as I am: then the server knows that everything before was read."""

    type: Literal["mark"]
    n: int


class Resume(TypedDict):
    """From a page: the highest `seq` it has of each stream of a device (as text)."""

    type: Literal["resume"]
    cursors: dict[str, int]


class Shown(TypedDict):
    """From a page: this alert is on the screen now."""

    type: Literal["shown"]
    alert: int


class Revoked(TypedDict):
    """The right to see this ended; the page shows why and stops."""

    type: Literal["revoked"]
    reason: str
