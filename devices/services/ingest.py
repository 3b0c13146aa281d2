"""The one writer of a process: takes frames from every gateway's socket, commits them in groups, and only then answers.

A group is whatever arrived while the last commit ran; there is no timer, so that an idle ward answers at once and a
busy one shares each fsync among more readings. In order: open, judge, announce `readings_received` (receivers store
alerts and intakes), commit telemetry, answer the gateways, announce `readings_accepted`. Killed at any point, nothing
that was acknowledged is lost, and what was not comes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connections

from compliance.errors import DomainError
from devices.errors import FrameFromWrongDevice, ReadingSequenceReused, StoreUnavailable, WindowsMoved
from devices.protocol.facts import ToldFact
from devices.protocol.hello import Nack
from devices.protocol.replay import ReplayWindow
from devices.protocol.suites import Suite, SuiteCiphers
from devices.selectors.suites import suite_allowed
from devices.services.directory import Directory, KnownDevice, KnownGateway
from devices.services.epochs import begin_epochs
from devices.services.facts import Arrived, keep_facts
from devices.services.judging import by_lane, judge, note_for
from devices.services.links import CLOSE_TRY_LATER, Ending, Link, LinkChange, Links
from devices.services.opening import Opened, Windows, open_frames, stored
from devices.services.over_age import drop_old_waveforms
from devices.services.paths import PathTallies
from devices.services.refusals import Refusals
from devices.services.registry_watch import forget_old_changes
from devices.services.reuse import reused
from devices.services.sealing import Sealer, drop_old_frames
from devices.services.sifting import sift
from devices.services.telemetry import store
from devices.signals import readings_accepted, readings_received
from devices.telemetry import FrameGroup, ReadingBatch, TelemetryStore, Written, group_frames

log = logging.getLogger(__name__)

REGISTRY_WITHIN_S = 30.0  # at the very first start the cipher is compiled before the registry is read
TICK_S = 1.0  # how often events are written
# How often the registry's marks are read and links are checked: what was shut out is refused within a second. While no
# mark has moved this is one small query.
REGISTRY_S = 0.4
LAST_SEEN_EVERY_S = 10.0
TALLY_EVERY_S = 5.0
FORGET_EVERY_S = 600.0
RETENTION_EVERY_S = 3600.0
FRAMES_RETENTION_EVERY_S = 60.0  # little and often: letting go a month-old hour at once would hold up answers
MOST_QUEUED_BYTES = 64 * 1024 * 1024  # beyond this, sockets stop reading
# After each wait for the database the writer needs the interpreter's lock back. With Python's 5 ms it waited that long,
# several times a commit, whenever another thread of the process had more to compute (the books of energy, a page).
SWITCH_S = 0.0005
CREDIT = 32  # frames of a gateway that may be unanswered
MOST_FRAMES_A_GROUP = 2000  # keeps a commit, and with it the wait for an answer, short


@dataclass(slots=True)
class Chore:
    """Something that the writer does now and then. due: on the monotonic clock."""

    work: Callable[[], None]
    every_s: float
    due: float = 0.0


Answers = dict[Link, tuple[list[tuple[int, int]], list[Nack]]]


class Arrival(NamedTuple):
    """The frames of one message."""

    link: Link
    frames: list[bytes]
    size: int


class Ingest:
    """The writer thread and its queue."""

    def __init__(self, loop: asyncio.AbstractEventLoop, telemetry: TelemetryStore | None = None) -> None:
        self.loop = loop
        self.directory = Directory()
        self.refusals = Refusals()
        self._telemetry = telemetry or store()
        self._queue: queue.SimpleQueue[Arrival | LinkChange | None] = queue.SimpleQueue()
        self._queued_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._links = Links()
        self._tallies = PathTallies()
        self._windows: Windows = {}
        self._ciphers = SuiteCiphers()
        self._refreshed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._chores = [
            Chore(self._refresh, REGISTRY_S),
            Chore(self.refusals.flush, TICK_S),
            Chore(self._links.store_heard, LAST_SEEN_EVERY_S),
            Chore(self._tallies.flush, TALLY_EVERY_S),
            Chore(forget_old_changes, FORGET_EVERY_S),
            Chore(self._drop_old_waveforms, RETENTION_EVERY_S),
            Chore(partial(drop_old_frames, self._telemetry), FRAMES_RETENTION_EVERY_S),
        ]
        self._sealer = Sealer(self._telemetry, settings.SEAL_S)
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._thread.start()

    # --- On the event loop -----------------------------------------------------------------------------------------

    async def submit(self, link: Link, frames: list[bytes], size: int) -> None:
        """Queue the frames of one message; waits while too much is queued."""
        self._queued_bytes += size
        self._queue.put(Arrival(link, frames, size))
        if self._queued_bytes > MOST_QUEUED_BYTES:
            self._room.clear()
            await self._room.wait()

    async def gateway(self, gateway_id: int) -> KnownGateway | None:
        """Return a gateway of the registry; for an unknown one wait until the registry was read again."""
        if gateway_id not in self.directory.gateways:
            return await self.gateway_anew(gateway_id)
        return self.directory.gateways.get(gateway_id)

    async def gateway_anew(self, gateway_id: int) -> KnownGateway | None:
        """Return a gateway as it stands after the registry was read once more."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._refreshed.wait(), REGISTRY_WITHIN_S)
        return self.directory.gateways.get(gateway_id)

    def link_changed(self, link: Link, connected: bool) -> None:
        """Queue the news that a gateway's socket opened or closed."""
        self._queue.put(LinkChange(link, connected))

    def epoch_wanted(self, link: Link) -> None:
        """Queue the wish of a gateway to go on under new keys; it is welcomed again when they are there."""
        self._queue.put(LinkChange(link, True, again=True))

    def stop(self, timeout_s: float = 10.0) -> None:
        """Finish what is queued and end the thread."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        self._sealer.stop(timeout_s)

    async def _tell_refreshed(self) -> None:
        told, self._refreshed = self._refreshed, asyncio.Event()
        told.set()

    async def _answer(self, size: int, answers: Answers) -> None:
        self._queued_bytes -= size
        if self._queued_bytes <= MOST_QUEUED_BYTES:
            self._room.set()
        for link, (acked, nacks) in answers.items():
            with contextlib.suppress(OSError, RuntimeError):  # a socket that died keeps nobody else waiting
                await link.answer(acked, nacks)

    # --- In the writer's thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._ciphers.warm([suite for suite in Suite if suite_allowed(suite)])
        _spare_the_collector()
        sys.setswitchinterval(SWITCH_S)
        running = True
        while running:
            arrivals, changes, running = self._take()
            self._guarded(self._do_chores)
            if changes:
                self._guarded(partial(self._change_links, changes))
            if arrivals:
                self._guarded(partial(self._commit, arrivals))
        self._guarded(self.refusals.flush)
        self._guarded(self._tallies.flush)
        connections.close_all()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do the work; the writer outlives whatever goes wrong in it."""
        try:
            work()
        except DatabaseError as error:
            log.warning("the database did not answer: %s", error)
            close_old_connections()
        except Exception:
            log.exception("the ingest writer met an error it does not know, and goes on")

    def _take(self) -> tuple[list[Arrival], list[LinkChange], bool]:
        """Wait for something or for the next chore, then take everything that is there."""
        arrivals: list[Arrival] = []
        changes: list[LinkChange] = []
        frames = 0
        wait_s = max(min(chore.due for chore in self._chores) - time.monotonic(), 0.001)
        with contextlib.suppress(queue.Empty):
            item = self._queue.get(timeout=wait_s)
            while item is not None:
                if isinstance(item, LinkChange):
                    changes.append(item)
                else:
                    arrivals.append(item)
                    frames += len(item.frames)
                if frames >= MOST_FRAMES_A_GROUP:
                    return arrivals, changes, True
                item = self._queue.get_nowait()
            return arrivals, changes, False
        return arrivals, changes, True

    def _commit(self, arrivals: list[Arrival]) -> None:
        frames = [frame for arrival in arrivals for frame in arrival.frames]
        owners = [arrival.link for arrival in arrivals for _ in arrival.frames]
        gateways = [link.gateway_id for link in owners]
        devices = self.directory.devices
        opened = open_frames(frames, gateways, devices, self._windows, self._ciphers)
        batch = judge(opened, self.refusals, time.time())
        batch = replace(batch, frames=_kept(opened, frames, owners), wave_frames=_waves(opened, frames, owners))
        arrived = [_arrived(told, frames[index], owners[index], opened) for index, told in opened.told]
        failed, committed = self._store(batch, opened, arrived)
        if not failed:
            self._windows.update(opened.moved)
        answers = self._answers(frames, owners, opened, failed)
        self._on_loop(partial(self._answer, sum(arrival.size for arrival in arrivals), answers))
        self._links.heard(gateways)
        if committed is not None:
            self._announce(*committed, opened.senders)

    def _store(
        self, batch: ReadingBatch, opened: Opened, arrived: list[Arrived]
    ) -> tuple[DomainError | None, tuple[ReadingBatch, Written] | None]:
        """Commit; return why it failed, or what was committed and what of it was new."""
        if not opened.moved:
            return None, None
        failed: StoreUnavailable
        try:
            if arrived:
                keep_facts(arrived, batch.received_at)
            shared = self._shared(opened)
            with self._telemetry.hold(shared) if shared else contextlib.nullcontext():
                batch = replace(sift(batch, shared, self._telemetry), shared=shared) if shared else batch
                readings_received.send(Ingest, batch=batch)
                known = {number: self._windows[number] for number in opened.moved if number in self._windows}
                return None, (batch, self._telemetry.write(batch, opened.stored_windows(), stored(known)))
        except WindowsMoved as error:  # the gateway speaks to another process too: what is replayed is known there
            failed = error
            self._guarded(partial(self._load_windows, list(opened.moved)))
        except StoreUnavailable as error:
            failed = error
        except DatabaseError as error:
            failed = StoreUnavailable(f"The database did not answer: {type(error).__name__}.")
            close_old_connections()
        except Exception as error:  # a receiver's mistake: without its conclusion the readings must not be acknowledged
            log.exception("a receiver of readings failed; the group will come again")
            failed = StoreUnavailable(f"A receiver of readings failed: {type(error).__name__}.")
        log.warning("group of %d readings not stored: %s", len(batch.readings), failed)
        self.refusals.note(failed)
        return failed, None

    def _shared(self, opened: Opened) -> frozenset[int]:
        """Return which of the devices that sent something several gateways hear: nearly always none."""
        shared = self.directory.shared
        return shared and shared & {known.device_id for known in opened.senders.values()}

    def _answers(self, frames: list[bytes], owners: list[Link], opened: Opened, failed: DomainError | None) -> Answers:
        answers: Answers = {link: ([], []) for link in owners}
        for index, (link, header) in enumerate(zip(owners, opened.headers, strict=True)):
            refused = opened.errors.get(index)
            if refused is not None:
                self._note_refused(refused, frames[index], link)
            if error := refused or failed:
                answers[link][1].append(nack(frames[index], error))
            elif header is not None:
                answers[link][0].append((header.device, header.counter))
        return answers

    def _note_refused(self, error: DomainError, frame: bytes, link: Link) -> None:
        known = self.directory.devices.get(claimed(frame)[0])
        if known is not None and known.gateway_id == link.gateway_id:
            note_for(known, error, self.refusals)
            return
        gateway = self.directory.gateways.get(link.gateway_id)
        # The claimed number of somebody else's device is named, that of no device is not: anyone can claim any number.
        device_id = known.device_id if known and isinstance(error, FrameFromWrongDevice) else None
        ward_id = gateway.ward_id if gateway else None
        self.refusals.note(error, device_id=device_id, gateway_id=link.gateway_id, ward_id=ward_id)

    def _announce(self, batch: ReadingBatch, written: Written, senders: Mapping[int, KnownDevice]) -> None:
        """Tell the upper floors what is new. Their mistakes cannot undo a commit."""
        if self.directory.shared:
            self._tallies.count(batch, written, senders, self.directory.shared)
        if not written.readings.all() or not written.waveforms.all():
            blocks = tuple(block for block, new in zip(batch.waveforms, written.waveforms, strict=True) if new)
            self._guarded(partial(self._note_reused, batch, written, senders))
            batch = replace(batch, readings=batch.readings[written.readings], waveforms=blocks)
        for receiver, answer in readings_accepted.send_robust(Ingest, batch=batch):
            if isinstance(answer, Exception):
                log.error("%s failed on accepted readings", receiver, exc_info=answer)

    def _note_reused(self, batch: ReadingBatch, written: Written, senders: Mapping[int, KnownDevice]) -> None:
        known = by_lane(senders)
        for lane, count in reused(batch, written, self._telemetry).items():
            note_for(known[lane], ReadingSequenceReused(), self.refusals, count)

    def _change_links(self, changes: list[LinkChange]) -> None:
        opened = [change.link for change in changes if change.connected and not change.again]
        again = [change.link for change in changes if change.again]
        try:
            self._begin_epochs(opened + again)
            self._welcome(opened)
        except (DatabaseError, StoreUnavailable) as error:
            log.warning("cannot take gateways in now: %s", error)
            self._end([Ending(link, CLOSE_TRY_LATER, "try again later") for link in opened + again])
        else:
            for link in again:
                self._on_loop(link.welcome)
        closed = [change.link for change in changes if not change.connected]
        self._links.closed(closed)
        for link in closed:
            if link.transcript.agreement is not None and link.transcript.agreement.epoch is not None:
                self.directory.end_epoch(link.gateway_id, link.transcript.agreement.epoch)

    def _begin_epochs(self, links: list[Link]) -> None:
        if not links:
            return
        agreed = [link.transcript.agreement for link in links if link.transcript.agreement is not None]
        begun = begin_epochs(agreed, credit=CREDIT)
        # As it stands once the epochs began: a gateway whose line a move ended is back sooner than the next look at the
        # registry, and would be refused for good. However many come at once, this is one look.
        self.directory.refresh()
        for gateway_id, epoch in begun:
            self.directory.begin_epoch(gateway_id, epoch)

    def _welcome(self, links: list[Link]) -> None:
        if not links:
            return
        gateways = {link.gateway_id for link in links}
        devices = [number for number, known in self.directory.devices.items() if known.gateway_id in gateways]
        self._load_windows(devices)  # another process may have moved them
        self._end(self._links.opened(links))
        for link in links:
            self._on_loop(link.welcome)

    def _load_windows(self, devices: list[int]) -> None:
        found = self._telemetry.replay_windows(devices)
        for device in devices:
            self._windows.pop(device, None)
        self._windows |= {one.device: (one.epoch, ReplayWindow(one.high, one.bitmap)) for one in found}

    def _do_chores(self) -> None:
        now = time.monotonic()
        for chore in self._chores:
            if chore.due <= now:
                chore.due = now + chore.every_s
                self._guarded(chore.work)

    def _refresh(self) -> None:
        close_old_connections()
        self.directory.refresh()
        self._end(self._links.to_end(self.directory))
        self._on_loop(self._tell_refreshed)

    def _drop_old_waveforms(self) -> None:
        drop_old_waveforms(self._telemetry, time.time())

    def _end(self, endings: list[Ending]) -> None:
        for ending in endings:
            self._on_loop(partial(ending.link.end, ending.code, ending.reason))

    def _on_loop(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have the event loop do the work; begun there, so that a loop that ends first leaves nothing half begun."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is going down, nobody waits
            self.loop.call_soon_threadsafe(self._begin, work)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self.loop.create_task(work())
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)


def _kept(opened: Opened, frames: list[bytes], owners: list[Link]) -> FrameGroup | None:
    """Return the frames that brought readings: the evidence that goes into the same commit."""
    if not opened.kept:
        return None
    whole = [frames[index] for index in opened.kept]
    sessions = [owners[index].transcript.digest for index in opened.kept]
    heard = [opened.heard.get(index, []) for index in opened.kept]
    return _of_devices(group_frames(whole, opened.first, opened.counts, sessions, heard), opened)


def _waves(opened: Opened, frames: list[bytes], owners: list[Link]) -> FrameGroup | None:
    """Return what proves the waveform blocks: of their frames the hashes."""
    if not opened.waved:
        return None
    first = np.array([block.seq for block in opened.waveforms], np.uint64)
    sessions = [owners[index].transcript.digest for index in opened.waved]
    whole = [frames[index] for index in opened.waved]
    heard = [opened.heard.get(index, []) for index in opened.waved]
    ones = np.ones(len(whole), np.intp)
    return _of_devices(group_frames(whole, first, ones, sessions, heard, waveforms=True), opened)


def _of_devices(group: FrameGroup, opened: Opened) -> FrameGroup:
    """Return the group under the numbers of devices, where a path has another one on the wire."""
    for known in opened.senders.values():
        if known.lane:
            numbers = group.entries["device"]
            numbers[numbers == known.number] = known.device_id
    return group


def _arrived(told: ToldFact, frame: bytes, owner: Link, opened: Opened) -> Arrived:
    lane = opened.senders[claimed(frame)[0]].lane
    return Arrived(told, frame, owner.transcript.digest, owner.gateway_id, lane)


@cache
def _spare_the_collector() -> None:
    """Take everything loaded so far out of garbage collection: a full pass over it held every answer up for 125 ms."""
    gc.collect()
    gc.freeze()


def claimed(frame: bytes) -> tuple[int, int]:
    """Return device and counter as a frame claims them, zeros where it is too short."""
    return int.from_bytes(frame[4:8], "big"), int.from_bytes(frame[12:20], "big")


def nack(frame: bytes, error: DomainError) -> Nack:
    """Return the refusal of one frame as it goes over the wire."""
    device, counter = claimed(frame)
    return {
        "type": "nack",
        "device": device,
        "counter": counter,
        "code": error.code,
        "permanent": error.permanent,
        "message": error.message,
    }


_running: Ingest | None = None


def ingest() -> Ingest:
    """Return the writer of the running event loop, starting it with the first gateway."""
    global _running
    loop = asyncio.get_running_loop()
    if _running is None or _running.loop is not loop:
        stop_ingest()
        _running = Ingest(loop)
    return _running


def stop_ingest() -> None:
    """Let the writer finish what is queued and end, if there is one."""
    global _running
    if _running is not None:
        _running.stop()
        _running = None
