"""Look whether the log is kept at all: by a worker, since a keeper that has stopped cannot say so itself.

Once an hour the log asks, in a record, for witnesses, and another record says when a head over that one was cosigned: a
rule of compliance judges the time between them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from compliance.models import Event, EventCategory, LogCheckpoint, LogEntry, NoticePriority
from compliance.selectors.log import QUORUM, newest_checkpoint
from compliance.services.events import record_event
from compliance.services.notices import Lasting, raise_notice

ASKED, ANSWERED = "witnesses_asked", "witnesses_answered"
ASK_EVERY = timedelta(hours=1)


def look_after_log(now: datetime) -> None:
    """Raise a notice where records wait for their place or heads for witnesses, and note how witnessing goes."""
    late = now - timedelta(minutes=settings.LOG_WITNESS_WITHIN_MIN)
    if waits_since(late):
        _tell(
            "log_waits",
            "Records have been waiting for their place in the log. Is run_log running? Nothing is lost, but until then "
            "nothing proves them.",
        )
    if unwitnessed_since(late):
        _tell(
            "log_unwitnessed",
            f"Fewer than {QUORUM} witnesses have signed the record log for {settings.LOG_WITNESS_WITHIN_MIN} minutes. "
            "Look at what troubles them.",
        )
    _note_witnessing(now)


def waits_since(late: datetime) -> bool:
    """Tell whether an entry committed to before `late` still has no place."""
    first = LogEntry.objects.filter(leaf_index__isnull=True).order_by("pk").first()
    return first is not None and first.at < late


def unwitnessed_since(late: datetime) -> bool:
    """Tell whether a head made before `late` is covered by none that enough witnesses signed."""
    witnessed = newest_checkpoint(witnessed=True)
    size = witnessed.size if witnessed is not None else 0
    oldest = LogCheckpoint.objects.filter(size__gt=size).order_by("size").first()
    return oldest is not None and oldest.at < late


def _tell(code: str, words: str) -> None:
    raise_notice(code=code, subject="log", message=words, priority=NoticePriority.HIGH, link="/log/", lasting=Lasting())


def _note_witnessing(now: datetime) -> None:
    asked = Event.objects.filter(code=ASKED).order_by("-pk").first()
    if asked is not None and not Event.objects.filter(code=ANSWERED, pk__gt=asked.pk).exists():
        head = newest_checkpoint(witnessed=True)
        entry = LogEntry.objects.filter(event_id=asked.pk).first()
        if head is not None and entry is not None and entry.leaf_index is not None and entry.leaf_index < head.size:
            _record(ANSWERED, "Enough witnesses signed a head of the record log.", asked.detail["asked"], head.size)
    if asked is None or now - asked.at >= ASK_EVERY:
        newest = newest_checkpoint()
        _record(ASKED, "The record log asked for witnesses.", int(now.timestamp()), newest.size if newest else 0)


def _record(code: str, message: str, asked: object, size: int) -> None:
    record_event(category=EventCategory.OPERATION, code=code, message=message, detail={"asked": asked, "size": size})
