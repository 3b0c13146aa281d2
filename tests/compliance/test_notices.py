"""What the people who run the house must not miss."""

from __future__ import annotations

import pytest
from django.utils import timezone

from compliance.models import Event, LogEntry, Notice, NoticePriority
from compliance.services.notices import REMIND_AFTER, Lasting, raise_notice, take_notice
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db


def notice(**fields) -> Notice | None:
    return raise_notice(
        **{
            "code": "log_tampered",
            "subject": "tree_changed",
            "message": "The log does not hold.",
            "priority": NoticePriority.CRITICAL,
            **fields,
        }
    )


def test_a_notice_stands_on_every_page_of_administrators_and_of_nobody_else(client, cast) -> None:
    notice()
    for role, sees in (("administrator", True), ("nurse", False), ("caregiver", False)):
        page = sign_in(client, cast[role]).get("/")
        assert (b"The log does not hold." in page.content) == sees, role


def test_one_thing_is_noticed_once_until_somebody_sees_to_it(cast) -> None:
    first = notice()
    assert first is not None
    assert notice() is None
    take_notice(notice=first, by=cast["administrator"])
    assert notice() is not None
    assert set(Event.objects.values_list("code", flat=True)) == {"log_tampered", "notice_taken"}


def test_taking_a_notice_on_takes_it_off_the_page(client, cast) -> None:
    raised = notice()
    page = sign_in(client, cast["administrator"]).post(f"/notices/{raised.pk}/take/", headers={"HX-Request": "true"})
    assert page.status_code == 200
    assert b"does not hold" not in page.content
    raised.refresh_from_db()
    assert raised.taken_by_id == cast["administrator"].pk


def test_a_notice_of_another_ward_is_nobody_elses_business(client, cast, other_ward) -> None:
    raised = notice(ward_id=other_ward.pk)
    reader = sign_in(client, cast["administrator"])
    assert b"does not hold" not in reader.get("/notices/").content
    assert reader.post(f"/notices/{raised.pk}/take/").status_code == 404


def test_where_to_go_back_to_is_never_another_host(client, cast) -> None:
    raised = notice()
    answer = sign_in(client, cast["administrator"]).post(f"/notices/{raised.pk}/take/", {"next": "//evil.example/"})
    assert answer["Location"] == "/"


def test_a_fault_that_lasts_is_quiet_once_somebody_sees_to_it_and_told_again_hours_later(cast) -> None:
    take_notice(notice=notice(lasting=Lasting(frozenset({7}))), by=cast["administrator"])
    assert notice(lasting=Lasting(frozenset({7}))) is None
    Notice.objects.update(taken_at=timezone.now() - REMIND_AFTER)
    assert notice(lasting=Lasting(frozenset({7}))) is not None


def test_a_fault_that_spreads_is_told_although_somebody_sees_to_it(cast) -> None:
    raised = notice(lasting=Lasting(frozenset({7})))
    assert notice(lasting=Lasting(frozenset({8}))) is None  # while it stands there, it gathers
    take_notice(notice=raised, by=cast["administrator"])
    assert notice(lasting=Lasting(frozenset({7, 8}))) is None
    again = notice(lasting=Lasting(frozenset({9})))
    assert again is not None
    assert again.places == [7, 8, 9]


def test_the_worst_comes_first_and_each_says_how_urgent_it_is(client, cast) -> None:
    for priority in (NoticePriority.LOW, NoticePriority.CRITICAL, NoticePriority.MEDIUM, NoticePriority.HIGH):
        notice(subject=priority, priority=priority)
    page = sign_in(client, cast["administrator"]).get("/notices/").content.decode()
    places = [page.index(f">{label}</span>") for label in ("Critical", "High", "Medium", "Low")]
    assert places == sorted(places)


def test_a_notice_and_its_event_stand_or_fall_together(monkeypatch) -> None:
    def full(**_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("compliance.services.notices.record_event", full)
    with pytest.raises(OSError, match="full"):
        notice()
    assert not Notice.objects.exists()
    assert not LogEntry.objects.exists()
