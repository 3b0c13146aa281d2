"""Keep the log: one process of the house at a time sequences, has heads cosigned, and watches for tampering."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import IntegrityError, connection

from compliance.log.merkle import ProofRefused
from compliance.log.notes import NoteRefused
from compliance.log.tiles import TileMissing
from compliance.models import NoticePriority
from compliance.selectors.log import newest_checkpoint
from compliance.services.log import sequence
from compliance.services.log_memory import HeadMemory
from compliance.services.log_watch import Finding, LogWatch
from compliance.services.log_witnesses import Cosigning
from compliance.services.notices import Lasting, raise_notice

log = logging.getLogger(__name__)
LOCK_NUMBER = 0x4D54_4C4F_47  # "MTLOG": PostgreSQL's advisory locks are numbers
WATCHED_A_TURN = 500
HEAD_LEVEL = {"checkpoint_forged", "entry_beyond_head", "head_differs", "log_forked", "log_shrank", "log_stuck",
              "memory_changed"}  # fmt: skip


class Turns:
    """The work of the process that keeps the log. memory: what it remembers outside the database, if anything."""

    def __init__(self, memory: HeadMemory | None = None) -> None:
        self._watch = LogWatch()
        self._cosigning = Cosigning()
        self._memory = memory

    def turn(self, patience_s: float = 0.0) -> None:
        """Sequence all that waits, ask witnesses who are due, and check a little of the log.

        patience_s: how long to wait for the witnesses' answers; else they are taken up at the next turn.
        """
        found = self._sequence()
        if self._memory is not None:
            found += self._memory.check(newest_checkpoint())
        tell_all([*found, *self._have_cosigned(patience_s), *self._watch.check_some(WATCHED_A_TURN)])

    def _sequence(self) -> list[Finding]:
        """Sequence all that waits; return what stood in the way."""
        try:
            while sequence() is not None:
                pass
        except (IntegrityError, TileMissing) as error:  # only a changed database makes places collide
            log.error("the log cannot grow: %s", error)
            return [Finding("log_stuck", getattr(newest_checkpoint(), "size", 0))]
        return []

    def _have_cosigned(self, patience_s: float) -> list[Finding]:
        newest = newest_checkpoint()
        size = newest.size if newest is not None else 0
        try:
            contradictions = self._cosigning.step(newest)
            if patience_s:
                contradictions += self._cosigning.wait(patience_s)
        except (TileMissing, ProofRefused, NoteRefused) as error:  # only a changed database has no proof, or no head
            log.error("no proof for the witnesses: %s", error)
            return [Finding("log_stuck", size)]
        for contradiction in contradictions:
            log.error("witness %s contradicts the log: %s", contradiction.witness, contradiction.reason)
        return [Finding("log_shrank" if one.size > size else "log_forked", size) for one in contradictions]


def tell_all(findings: Iterable[Finding]) -> None:
    """Raise the alarm, once for each kind of finding until somebody sees to it; later again only for new places."""
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.what, []).append(finding)
    for what, some in by_kind.items():
        log.error("%s", some[0].sentence)
        raise_notice(
            code="log_tampered",
            subject=what,
            message=f"{some[0].sentence} Keep the database as it is and call who answers for security.",
            priority=NoticePriority.CRITICAL,
            link="/log/",
            lasting=Lasting(frozenset() if what in HEAD_LEVEL else frozenset(finding.where for finding in some)),
        )


@contextmanager
def leadership() -> Iterator[bool]:
    """Yield whether this process keeps the log now; as long as it does, no other process of the house does."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_NUMBER])
            leads = bool(cursor.fetchone()[0])
            try:
                yield leads
            finally:
                if leads:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_NUMBER])
        return
    place = settings.HOME / "run" / "log.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
