"""Commits to frames: every few seconds one Merkle root over the frames that came, and one entry of the log for it.

Frames are stored with their readings; that they came then and so is proven once a root over them is in the log. Killed
at any point, nothing is left out and nothing is logged twice: a group without a root gets one at the next turn, a root
that may not be in the log yet is offered to it again, and the log's side of the house knows it by its name.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from compliance.services.log import append
from devices.errors import StoreUnavailable
from devices.evidence.logged import KIND, record_of
from devices.evidence.tree import root_of
from devices.models import FormerKey, FrameSeal
from devices.services.epochs import drop_old_epochs
from devices.telemetry import Seal, StoredGroup, TelemetryStore

log = logging.getLogger(__name__)

MOST_DROPPED = 4000  # groups at a time
MOST_GROUPS = 4000  # under one root: bounds how long making it, and proving one of its frames, takes


def seal_frames(telemetry: TelemetryStore) -> int:
    """Commit to everything that no root commits to yet; return how many roots were made."""
    made = 0
    while groups := telemetry.unsealed_groups(MOST_GROUPS):
        # Hashes of waveforms go after days: a root over them and over frames of readings would then prove neither.
        for waves in (False, True):
            alike = [stored for stored in groups if stored.group.of_waveforms is waves]
            made += bool(alike) and telemetry.seal_groups(_seal_over(alike), [stored.number for stored in alike])
    log_seals(telemetry)
    return made


def _seal_over(groups: Sequence[StoredGroup]) -> Seal:
    leaves = [leaf for stored in groups for leaf in stored.group.leaves()]
    times = [stored.received for stored in groups]
    return Seal(str(uuid.uuid4()), root_of(leaves), len(leaves), min(times), max(times))


def log_seals(telemetry: TelemetryStore) -> None:
    """Put roots into the log that are not there yet."""
    waiting = telemetry.unlogged_seals()
    for seal in waiting:
        with transaction.atomic():
            _log(seal)
    if waiting:
        telemetry.mark_logged([seal.name for seal in waiting])


def _log(seal: Seal) -> None:
    held, made = FrameSeal.objects.get_or_create(
        name=seal.name,
        defaults={
            "root": seal.root,
            "frames": seal.frames,
            "first_received_at": datetime.fromtimestamp(seal.first_received, tz=UTC),
            "last_received_at": datetime.fromtimestamp(seal.last_received, tz=UTC),
        },
    )
    if made:
        held.entry_id = append(kind=KIND, record=record_of(seal.name, seal.root, seal.frames)).pk
        held.save(update_fields=["entry_id"])


def drop_old_frames(telemetry: TelemetryStore) -> None:
    """Let the sealed bytes go that are older than the setting, and the keys of old epochs that nothing needs any more.

    Hashes and roots stay: that a frame came, and when, is provable for ever.
    """
    until = timezone.now() - timedelta(days=settings.FRAMES_KEPT_DAYS)
    telemetry.drop_frames_before(until.timestamp(), MOST_DROPPED)
    FormerKey.objects.filter(ended_at__lt=until).delete()
    drop_old_epochs(until)


class Sealer:
    """A thread that seals every `every_s` seconds: the commits that this takes must not hold up the ingest writer."""

    def __init__(self, telemetry: TelemetryStore, every_s: float) -> None:
        self._telemetry, self._every_s = telemetry, every_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Seal what is there and end the thread."""
        self._ending.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._ending.wait(self._every_s):
            self._seal()
        self._seal()
        connections.close_all()

    def _seal(self) -> None:
        try:
            seal_frames(self._telemetry)
        except (DatabaseError, StoreUnavailable) as error:
            log.warning("frames are not sealed now, and will be later: %s", error)
            connections.close_all()
        except Exception:  # a thread that ended here would leave every later frame without a root, and nobody told
            log.exception("sealing met an error it does not know, and goes on")
            connections.close_all()
