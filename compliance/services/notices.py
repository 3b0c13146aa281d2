"""Raise and take on notices: what the people who run the house must see wherever they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from compliance.models import EventCategory, Notice, NoticePriority, User
from compliance.services.events import record_event
from compliance.signals import notice_raised

REMIND_AFTER = timedelta(hours=4)  # a fault that somebody took on and that still lasts is told again
MOST_PLACES = 500  # a fault at more places is everywhere


@dataclass(frozen=True, slots=True)
class Lasting:
    """A fault that is found again and again. places: where; a new one is told although others are known."""

    places: frozenset[int] = frozenset()


def raise_notice(
    *,
    code: str,
    subject: str,
    message: str,
    priority: NoticePriority,
    ward_id: int | None = None,
    link: str = "",
    lasting: Lasting | None = None,
) -> Notice | None:
    """Raise a notice and return it; None while one of this code and subject is open already.

    message: what happened and what to do, without names. link: a path of ours. With `lasting`, None also after somebody
    took it on, until the fault spreads to another place or has lasted REMIND_AFTER longer.
    """
    with transaction.atomic():
        places = lasting.places if lasting else frozenset[int]()
        last = Notice.objects.select_for_update().filter(code=code, subject=subject).order_by("-pk").first()
        if last is not None and last.taken_at is None:
            _add_places(last, places)
            return None
        known = last.places if last is not None and lasting is not None else []
        if last is not None and last.taken_at is not None and lasting is not None:
            told = len(known) >= MOST_PLACES or places <= set(known)
            if told and timezone.now() - last.taken_at < REMIND_AFTER:
                return None
        try:
            with transaction.atomic():
                notice = Notice.objects.create(
                    code=code, subject=subject, message=message, priority=priority, ward_id=ward_id, link=link,
                    places=_joined(known, places),
                )  # fmt: skip
        except IntegrityError:  # another process was faster
            return None
        record_event(
            category=EventCategory.SECURITY, code=code, message=message, ward_id=ward_id, detail={"about": subject}
        )
        transaction.on_commit(lambda: notice_raised.send(Notice, notice=notice))
        return notice


def _add_places(notice: Notice, places: frozenset[int]) -> None:
    joined = _joined(notice.places, places)
    if joined != notice.places:
        Notice.objects.filter(pk=notice.pk).update(places=joined)


def _joined(known: list[int], places: frozenset[int]) -> list[int]:
    fresh = sorted(places - set(known)) if len(known) < MOST_PLACES else []
    return [*known, *fresh][:MOST_PLACES]


def take_notice(*, notice: Notice, by: User) -> Notice:
    """Note that somebody sees to it; a notice that somebody took before stays theirs."""
    with transaction.atomic():
        locked = Notice.objects.select_for_update().get(pk=notice.pk)
        if locked.taken_at is not None:
            return locked
        locked.taken_by_id, locked.taken_at = by.pk, timezone.now()
        locked.save(update_fields=["taken_by_id", "taken_at"])
        record_event(
            category=EventCategory.SECURITY,
            code="notice_taken",
            message="Somebody sees to a notice.",
            ward_id=locked.ward_id,
            user=by,
            detail={"notice": locked.code, "about": locked.subject},
        )
    return locked
