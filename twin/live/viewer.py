"""One open page: what it watches, what waits for it, and how much of what was sent it has not yet confirmed to have
read.

What waits is bounded. A page that lags is told nothing more until it has confirmed a mark; what it missed it is then
sent from the store, by cursor, so that no slow reader costs memory and none misses a reading.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

import msgspec

from devices.errors import StoreUnavailable
from devices.kinds.registry import by_code
from devices.telemetry import Reading
from devices.telemetry.lanes import device_of, is_stream, stream_of
from twin.live.messages import AlertMessage, Delta, Notice, ReadingMessage, WaveformMessage

PERIOD_S = 0.25  # at most four deltas a second per patient
MARK_EVERY_BYTES = 32 * 1024
MOST_UNREAD_BYTES = 256 * 1024
MOST_WAITING_READINGS = 1500
MOST_WAITING_NOTES = 200
MOST_WAITING_BLOCKS = 8
RETRY_S = 1.0
PAGE_READINGS = 250  # so many from the store at a time


class History(Protocol):
    """The part of a telemetry store that a page needs."""

    def latest(self, device_ids: Iterable[int]) -> list[Reading]:
        """Return the newest reading of every metric."""
        ...

    def since(self, cursors: Mapping[int, int], limit: int) -> list[Reading]:
        """Return at most `limit` readings after the cursors."""
        ...


class Page(Protocol):
    """The browser's end of a viewer."""

    async def check(self) -> None:
        """Ask the policy again when its last answer is old; raises when the page may no longer be served."""
        ...

    def narrowed(self, user_ids: Collection[int]) -> None:
        """Ask the policy at once if it is one of these people's page."""
        ...

    def moved(self) -> None:
        """Ask the policy at once: a device that this page shows has changed hands."""
        ...

    async def send(self, text: bytes) -> None:
        """Send one JSON message."""
        ...

    async def alert_sent(self, alert_id: int) -> None:
        """Note that an alert was handed to this page."""
        ...


class Viewer:
    """The server's side of one page. Everything runs on the event loop."""

    def __init__(self, page: Page, history: History, *, newest_only: bool) -> None:
        self.watched: dict[int, str] = {}  # device id -> patient id
        self.newest_only = newest_only  # the ward shows no history: the newest of each metric is enough
        self._since: Mapping[int, float] = {}  # device id -> when it came to the patient: what is older is not theirs
        self._told: Mapping[str, frozenset[str]] = {}  # panel -> patients it may be told of
        self._page, self._history = page, history
        self._wake = asyncio.Event()
        self._cursors: dict[int, int] = {}  # stream of a device -> the highest number that was sent
        self._waiting: dict[tuple[int, int], Reading] = {}
        self._notes: deque[AlertMessage | Notice] = deque()
        self._blocks: deque[WaveformMessage] = deque(maxlen=MOST_WAITING_BLOCKS)
        self._behind = self._notes_missed = False
        self._unread: deque[tuple[int, int]] = deque()  # mark number, bytes before it
        self._unread_bytes = self._unmarked_bytes = self._marks = 0
        self._last_delta = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # --- What arrives ----------------------------------------------------------------------------------------------

    def watch(
        self,
        watched: dict[int, str],
        told: Mapping[str, frozenset[str]],
        since: Mapping[int, float] | None = None,
    ) -> bool:
        """Set which devices this page may see from now on, and of which patients each panel may be told.

        since: device id -> from when on its readings are this patient's, s since the Unix epoch. What waits of anything
        else is dropped. Returns whether the devices are others than before.
        """
        changed, self.watched, self._told = watched != self.watched, watched, told
        self._since = since or {}
        self._waiting = {key: row for key, row in self._waiting.items() if self._theirs(row)}
        self._blocks = deque((block for block in self._blocks if self._may_show(block)), MOST_WAITING_BLOCKS)
        self._notes = deque(note for note in self._notes if self._may_hear(note))
        return changed

    def _may_hear(self, note: AlertMessage | Notice) -> bool:
        panel = note["panel"] if note["type"] == "notice" else "alerts"
        return note["patient"] in self._told.get(panel, ())

    def take(self, rows: Iterable[Reading]) -> None:
        """Queue readings of watched devices."""
        if self._behind and not self.newest_only:
            return  # the store has them
        for row in rows:
            self._waiting[(row.device, row.metric if self.newest_only else row.seq)] = row
        if len(self._waiting) > MOST_WAITING_READINGS:
            self.resync()
        self._wake.set()

    def _theirs(self, row: Reading) -> bool:
        """Tell whether a reading was made by a device that is watched, since it came to its patient."""
        return row.device in self.watched and min(row.t, row.received) >= self._since.get(row.device, -math.inf)

    def _may_show(self, block: WaveformMessage) -> bool:
        return block["device"] in self.watched and block["t0"] >= self._since.get(block["device"], -math.inf)

    def moved(self, device: int) -> None:
        """Hold back everything of a device that changes hands, until the policy has been asked again."""
        if device in self.watched:
            self.watch({key: who for key, who in self.watched.items() if key != device}, self._told, self._since)
            self._page.moved()

    def take_block(self, block: WaveformMessage) -> None:
        """Queue a waveform block; when too many wait, the oldest is dropped, for a sweep shows only the newest."""
        if not self._may_show(block):
            return
        self._blocks.append(block)
        self._wake.set()

    def narrowed(self, user_ids: Collection[int]) -> None:
        """Pass on that what these people may see has shrunk."""
        self._page.narrowed(user_ids)

    def take_note(self, note: AlertMessage | Notice) -> None:
        """Queue a note. When too many wait, the page is told to read its alerts again instead."""
        if not self._may_hear(note):
            return
        if len(self._notes) < MOST_WAITING_NOTES:
            self._notes.append(note)
        else:
            self._notes_missed = True
        self._wake.set()

    def resync(self, cursors: Mapping[int, int] | None = None) -> None:
        """Serve the page from the store: after `cursors`, the page's own, or after what was sent last."""
        if cursors is not None:
            theirs = {key: seq for key, seq in cursors.items() if is_stream(key) and device_of(key) in self.watched}
            self._cursors |= theirs
        self._waiting.clear()
        self._behind = True
        self._wake.set()

    def start_at(self, rows: Iterable[Reading]) -> None:
        """Take these newest readings as known, where the page has not said what it has."""
        for row in rows:
            self._reached(row)

    def _reached(self, row: Reading) -> None:
        stream = stream_of(row.device, row.seq)
        self._cursors[stream] = max(self._cursors.get(stream, -1), row.seq)

    def confirm(self, mark: int) -> None:
        """The page has read everything before this mark."""
        while self._unread and self._unread[0][0] <= mark:
            self._unread_bytes -= self._unread.popleft()[1]
        self._wake.set()

    # --- What leaves -----------------------------------------------------------------------------------------------

    @property
    def lagging(self) -> bool:
        """Tell whether more was sent than may be unread."""
        return self._unread_bytes + self._unmarked_bytes > MOST_UNREAD_BYTES

    async def run(self) -> None:
        """Send what waits, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._page.check()
            await self._send_notes()
            while self._blocks and not self.lagging:
                await self._tell(self._blocks.popleft())
            if self._waiting or self._behind:
                wait_s = self._last_delta + PERIOD_S - time.monotonic()
                if wait_s <= 0:
                    await self._send_readings()
                elif self._timer is None or self._timer.when() < loop.time():
                    self._timer = loop.call_later(wait_s, self._wake.set)

    async def _send_notes(self) -> None:
        while self._notes and not self.lagging:
            note = self._notes.popleft()
            await self._tell(note)
            if note["type"] == "alert":
                await self._page.alert_sent(note["id"])
        if self._notes_missed and not self.lagging:
            self._notes_missed = False
            for patient in sorted(self._told.get("alerts", ())):
                await self._tell(Notice(type="notice", patient=patient, panel="alerts"))

    async def _send_readings(self) -> None:
        self._last_delta = time.monotonic()
        sent: set[tuple[int, int]] = set()
        while self._behind and not self.lagging:
            self._behind = False  # from here on live readings queue up again, so that none falls between
            try:
                page = await asyncio.to_thread(self._read_page)
            except StoreUnavailable:
                self._behind = True
                asyncio.get_running_loop().call_later(RETRY_S, self._wake.set)
                return
            sent |= {(row.device, row.seq) for row in page}
            await self._send_rows(page, backfill=True)
            if not self.newest_only and len(page) == PAGE_READINGS:
                self._behind = True
                self._waiting.clear()
        if not self.lagging and not self._behind:
            waiting, self._waiting = self._waiting, {}
            await self._send_rows([row for row in waiting.values() if (row.device, row.seq) not in sent])

    def _read_page(self) -> list[Reading]:
        if self.newest_only:
            rows = self._history.latest(self.watched)
            return [row for row in rows if row.seq > self._cursors.get(stream_of(row.device, row.seq), -1)]
        return self._history.since(self._cursors, PAGE_READINGS)

    async def _send_rows(self, rows: list[Reading], *, backfill: bool = False) -> None:
        by_patient: dict[str, list[ReadingMessage]] = {}
        for row in rows:
            patient = self.watched.get(row.device)
            if patient is not None:
                self._reached(row)
                if self._theirs(row):
                    by_patient.setdefault(patient, []).append(shown(row))
        for patient, readings in by_patient.items():
            delta = Delta(type="delta", patient=patient, readings=readings)
            if backfill:
                delta["backfill"] = True
            await self._tell(delta)

    async def _tell(self, message: object) -> None:
        text = msgspec.json.encode(message)
        self._unmarked_bytes += len(text)
        await self._page.send(text)
        if self._unmarked_bytes >= MARK_EVERY_BYTES:
            self._marks += 1
            self._unread.append((self._marks, self._unmarked_bytes))
            self._unread_bytes += self._unmarked_bytes
            self._unmarked_bytes = 0
            await self._page.send(msgspec.json.encode({"type": "mark", "n": self._marks}))


def shown(row: Reading) -> ReadingMessage:
    """Return a reading as browsers are told it."""
    return ReadingMessage(
        device=row.device,
        metric=by_code(row.metric).key,
        seq=row.seq,
        t=row.t,
        value=row.value,
        received=row.received,
    )
