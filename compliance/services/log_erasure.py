"""Erase what the log says of a person, and leave word in the log of which entries that were.

The commitments stay in the tree, so every proof still holds. The word left behind names the erased places and is sealed
under the log's secret, which is not in the database: an entry that somebody blanks by other means is named by no such
word, and the watch tells of it.
"""

from __future__ import annotations

import hmac
import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from compliance.errors import ErasureWaits
from compliance.log.records import canonical, commitment_to
from compliance.models import Event, LogEntry
from compliance.services.log import append

KIND = "erasure"
LISTED = '"code":"records_listed"'  # in the record of an event that names several people, by their numbers
MOST_AT_ONCE = 1000  # keeps the word that is left behind, and the transaction, small
Range = tuple[int, int]  # first and last place, both erased


def erase_subject(
    patient_id: UUID, *, account_id: int | None = None, limit: int = MOST_AT_ONCE, about: str = ""
) -> int:
    """Erase at most `limit` entries of a person, with their events, and return how many; 0 when none is left.

    Lists on which the person stood go whole: the others on them keep their own rows of who looked.
    account_id: the person's own account, whose acts go too. about: which erasure this belongs to.
    Raises ErasureWaits while an entry waits for its place: it could not be named yet.
    """
    with transaction.atomic():
        mine = _entries_of(patient_id, account_id)
        placed = mine.filter(leaf_index__isnull=False).order_by("leaf_index")
        rows = list(placed.values_list("pk", "leaf_index", "event_id")[:limit])
        if not rows:
            if mine.exists():
                raise ErasureWaits
            return 0
        LogEntry.objects.filter(pk__in=[pk for pk, _, _ in rows]).update(salt=None, record=None, patient_id=None)
        Event.objects.filter(pk__in=[event for _, _, event in rows if event is not None]).delete()
        _leave_word([index for _, index, _ in rows if index is not None], about)
    return len(rows)


def _entries_of(patient_id: UUID, account_id: int | None) -> Any:
    mine = Q(patient_id=patient_id)
    mine |= Q(kind="event", patient_id=None, record__contains=str(patient_id)) & Q(record__contains=LISTED)
    if account_id is not None:
        mine |= Q(event_id__in=Event.objects.filter(user=account_id).values("pk"))
    return LogEntry.objects.filter(mine, record__isnull=False)


def _leave_word(indexes: Sequence[int], about: str) -> None:
    said: dict[str, Any] = {"erasure": about, "entries": len(indexes), "indexes": [list(r) for r in ranges_of(indexes)]}
    append(kind=KIND, record={**said, "seal": _seal(said)})


def ranges_of(indexes: Iterable[int]) -> list[Range]:
    """Return ascending places as ranges."""
    found: list[Range] = []
    for index in indexes:
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return found


def _seal(said: dict[str, Any]) -> str:
    key = sha256(b"medtwin/erasure-key/1\n" + settings.LOG_KEY.encode()).digest()
    named = {name: said[name] for name in ("erasure", "entries", "indexes")}
    return hmac.new(key, canonical(named).encode(), sha256).hexdigest()


class Erased:
    """The places that the log itself says were erased."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._ranges = sorted(ranges)
        self._firsts = [first for first, _ in self._ranges]

    def __contains__(self, index: int) -> bool:
        at = bisect_right(self._firsts, index) - 1
        return at >= 0 and index <= self._ranges[at][1]


def erased_places() -> Erased:
    """Return every place that a sound word of an erasure names; words that do not hold name nothing."""
    found: list[Range] = []
    for entry in LogEntry.objects.filter(kind=KIND).order_by("pk").iterator():
        if entry.record is None or entry.salt is None:
            continue
        if commitment_to(bytes(entry.salt), entry.record) != bytes(entry.commitment):
            continue
        said = json.loads(entry.record)
        if hmac.compare_digest(str(said.get("seal", "")), _seal(said)):
            found += [(int(first), int(last)) for first, last in said["indexes"]]
    return Erased(found)
