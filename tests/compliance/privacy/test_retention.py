"""What is over age goes, what is held stays, and a schedule that cannot be read removes nothing."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from compliance.errors import ScheduleInvalid
from compliance.models import AccessRecord, Event, Notice, RetentionRun
from compliance.privacy.retention import HOUSE_FILE, kinds, read_schedule
from compliance.services.holds import place_hold
from compliance.services.retention import due_now, remove_over_age
from tests.conftest import sign_in

OLD = timedelta(days=2300)


@pytest.fixture
def looks(cast, patient, foreign_patient) -> None:
    for person in (patient, foreign_patient):
        for age in (OLD, timedelta(days=1)):
            AccessRecord.objects.create(
                patient=person, user=cast["nurse"], role="nurse", what="ward", purpose="treatment",
                at=timezone.now() - age,
            )  # fmt: skip


def test_the_house_schedule_speaks_of_every_kind() -> None:
    schedule = read_schedule(HOUSE_FILE.read_text())
    assert {rule.kind for rule in schedule.rules} == set(kinds())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("keep_days = 2192", "keep_days = 0"), "keep_days"),
        (('kind = "notices"', 'kind = "sign_ins"'), "stands there twice"),
        (('kind = "notices"', 'kind = "gossip"'), "nothing of the kind 'gossip'"),
        (("format = 1", "format = 2"), "format 2"),
        (('name = "House schedule"', 'name = "House schedule"\nkept = 1'), "kept"),
        (("[[rules]]", "[[rules"), "cannot be read"),
    ],
)
def test_a_wrong_schedule_is_refused_with_the_place(change, says) -> None:
    with pytest.raises(ScheduleInvalid, match=says):
        read_schedule(HOUSE_FILE.read_text().replace(*change))


def test_what_is_over_age_goes_and_the_run_says_how_much(looks) -> None:
    run = remove_over_age(now=timezone.now())
    assert run.removed["accountability"] == 2
    assert AccessRecord.objects.count() == 2
    assert Event.objects.get(code="retention_ran").detail["removed"]["accountability"] == 2
    assert remove_over_age(now=timezone.now()).removed["accountability"] == 0


def test_nothing_of_somebody_under_a_hold_goes(looks, cast, patient) -> None:
    place_hold(patient=patient, by=cast["administrator"], reason="case", now=timezone.now())
    Notice.objects.create(code="x", subject="x", message="x", taken_at=timezone.now() - OLD)
    run = remove_over_age(now=timezone.now())
    assert (run.removed["accountability"], run.removed["notices"], run.held) == (1, 0, 1)
    assert AccessRecord.objects.filter(patient=patient).count() == 2


def test_a_dry_run_counts_and_removes_nothing(looks) -> None:
    out = StringIO()
    call_command("remove_over_age", "--dry-run", stdout=out)
    line = next(line for line in out.getvalue().splitlines() if line.startswith("accountability"))
    assert line.split() == ["accountability", "2192", "d", line.split()[3], "2"]
    assert AccessRecord.objects.count() == 4
    assert not RetentionRun.objects.exists()


def test_a_schedule_that_cannot_be_read_removes_nothing_and_says_so(looks, settings, tmp_path) -> None:
    settings.RETENTION_FILE = str(tmp_path / "away.toml")
    with pytest.raises(CommandError, match="RETENTION_FILE"):
        call_command("remove_over_age")
    assert AccessRecord.objects.count() == 4
    assert "RETENTION_FILE" in RetentionRun.objects.get().problem
    assert Event.objects.filter(code="schedule_invalid").exists()


def test_the_page_shows_the_schedule_and_the_last_run(looks, client, cast) -> None:
    remove_over_age(now=timezone.now())
    page = sign_in(client, cast["administrator"]).get(reverse("compliance:retention")).content.decode()
    assert "Looks at records, and emergency accesses" in page
    assert "2,192 days" in page
    assert "House schedule" in page


def test_each_kind_can_be_counted_and_removed(cast, patient) -> None:
    """One of everything that a kind takes, made old, goes; this runs every kind's own query."""
    from tests.system.objects import objects_of

    objects_of(patient)
    later = timezone.now() + timedelta(days=3660)
    patient.devices.update(patient=None)
    due = {one.rule.kind: one.items for one in due_now(later)}
    run = remove_over_age(now=later)
    assert run.problem == ""
    assert {kind for kind, items in due.items() if items} == {kind for kind, items in run.removed.items() if items}
    assert run.removed["images"] == 1
    assert run.removed["readings"] >= 1
