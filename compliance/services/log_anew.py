"""Let the log go on under a new name or key, on purpose: after a backup was restored, or LOG_KEY was exchanged.

Entries and tree stay as they are. Heads that another name or key signed are kept in a file and leave the database,
where each would be told as a forgery for ever. Whoever does this leaves an entry, and a notice that nobody misses.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from compliance.errors import LogNotAnew
from compliance.log.notes import Note, NoteRefused
from compliance.models import EventCategory, LogCheckpoint, NoticePriority
from compliance.selectors.log import newest_checkpoint
from compliance.services.events import record_event
from compliance.services.log import signed_head
from compliance.services.log_keys import log_signer
from compliance.services.log_turns import leadership
from compliance.services.notices import raise_notice


def begin_anew(*, memory: Path, kept: Path) -> int:
    """Write the heads of the former name or key to `kept`, take them out, and return how many there were.

    memory: the file of `run_log` on this computer; it is renamed, not removed. Raises LogNotAnew when the log has no
    new name or key, when `run_log` runs, or when `kept` cannot be written.
    """
    newest = newest_checkpoint()
    if newest is None or _is_ours(newest):
        raise LogNotAnew("The newest head bears this name and key: set a new LOG_ORIGIN, or LOG_KEY and LOG_ORIGIN.")
    with leadership() as leads:
        if not leads:
            raise LogNotAnew("run_log runs here or on another host: stop it everywhere first.")
        with transaction.atomic():
            heads = [head for head in LogCheckpoint.objects.order_by("size") if not _is_ours(head)]
            _keep(kept, [head.note for head in heads])
            LogCheckpoint.objects.filter(pk__in=[head.pk for head in heads]).delete()
            signed_head(newest.size)  # the tree goes on from here; the watch holds every entry against this head
            told = "The record log goes on under a new name or key; older heads are in a file. Ask who did it, and why."
            record_event(
                category=EventCategory.SECURITY,
                code="log_begun_anew",
                message="The log goes on under a new name or key.",
                detail={"heads": len(heads), "size": newest.size},
            )
            raise_notice(
                code="log_begun_anew",
                subject=log_signer().verifier.name,
                message=told,
                priority=NoticePriority.HIGH,
                link="/log/",
            )
    if memory.exists():
        memory.rename(memory.with_name(f"{memory.name}.{timezone.now():%Y%m%dT%H%M%S}"))
    return len(heads)


def _is_ours(head: LogCheckpoint) -> bool:
    try:
        Note.parse(head.note).signed_by(log_signer().verifier)
    except NoteRefused:
        return False
    return True


def _keep(place: Path, notes: list[str]) -> None:
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(notes, file, ensure_ascii=False, indent=1)
    except FileExistsError as error:
        raise LogNotAnew(f"{place} is there already: name a new file.") from error
    except OSError as error:
        raise LogNotAnew(f"{place} cannot be written: {error.strerror}.") from error
