"""Versions, people and their links: what a change does, who cannot make it, and that it is recorded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from compliance.errors import LastAdministrator, NotYourself, PersonInvalid, PersonTaken, PolicyInvalid, PolicyLocksOut
from compliance.models import BrowserSession, CareRelationship, Event, PolicyActivation, PolicyVersion
from compliance.policy import Role, house_text
from compliance.services import people, policy
from compliance.services.sessions import begin_session

pytestmark = pytest.mark.django_db
WITHOUT_IMAGES = house_text().replace('"imaging.view_study" = "ward"\n', "")


def version(text: str, by=None) -> PolicyVersion:
    return policy.put_down(text=text, note="a test", by=by, now=timezone.now())


def test_a_version_decides_from_its_activation_on_and_can_be_rolled_back(cast, patient):
    nurse, boss = cast["nurse"], cast["administrator"]
    narrower = version(WITHOUT_IMAGES, boss)
    assert nurse.has_perm("imaging.view_study", patient)
    policy.activate(version=narrower, by=boss, now=timezone.now())
    assert not nurse.has_perm("imaging.view_study", patient)
    policy.activate(version=None, by=boss, now=timezone.now())
    assert nurse.has_perm("imaging.view_study", patient)
    assert [row.version for row in PolicyActivation.objects.order_by("pk")] == [narrower, None]
    assert Event.objects.filter(code="policy_activated", user=boss).count() == 2


def test_a_policy_that_nobody_could_change_again_is_refused(cast):
    locked = version(house_text().replace('"compliance.manage_policy" = "house"\n', ""))
    with pytest.raises(PolicyLocksOut):
        policy.activate(version=locked, by=cast["administrator"], now=timezone.now())
    assert not PolicyVersion.objects.filter(active=True).exists()


def test_an_invalid_text_is_not_kept():
    with pytest.raises(PolicyInvalid):
        version("format = 9")
    assert not PolicyVersion.objects.exists()


def test_the_command_leads_out_of_a_policy_that_cannot_be_read(cast, patient, tmp_path, capsys):
    file = tmp_path / "policy.toml"
    file.write_text(WITHOUT_IMAGES)
    call_command("use_policy", str(file))
    PolicyVersion.objects.update(text="broken")
    assert not cast["nurse"].has_perm("compliance.view_patient", patient)
    call_command("use_policy", "--house")
    assert cast["nurse"].has_perm("compliance.view_patient", patient)
    file.write_text("broken")
    with pytest.raises(CommandError):
        call_command("use_policy", str(file))


def test_a_person_is_added_with_a_password_that_is_shown_once(cast):
    person, password = people.add_person(
        by=cast["administrator"], username="grace", role=Role.NURSE, given_name="Grace", family_name="Hopper"
    )
    assert person.check_password(password)
    assert len(password) >= 16
    with pytest.raises(PersonTaken):
        people.add_person(by=cast["administrator"], username="GRACE", role=Role.NURSE, given_name="", family_name="")
    assert password not in str(list(Event.objects.values()))


def test_nobody_changes_themself(cast, ward):
    boss, now = cast["administrator"], timezone.now()
    own = CareRelationship.objects.get(user=boss)
    for change in (
        lambda: people.change_role(by=boss, person=boss, role=Role.PHYSICIAN),
        lambda: people.set_active(by=boss, person=boss, active=False),
        lambda: people.link(by=boss, person=boss, ward=ward, patient=None, starts_at=now, ends_at=None),
        lambda: people.end_link(by=boss, relationship=own, now=now),
        lambda: people.add_shift(by=boss, person=boss, starts_at=now, ends_at=now + timedelta(hours=8)),
    ):
        with pytest.raises(NotYourself):
            change()


def test_the_last_administrator_stays(cast, make_user):
    other = make_user("nurse", username="other")
    with pytest.raises(LastAdministrator):
        people.change_role(by=other, person=cast["administrator"], role=Role.NURSE)
    with pytest.raises(LastAdministrator):
        people.set_active(by=other, person=cast["administrator"], active=False)


def test_switching_off_ends_every_sign_in(cast, patient):
    nurse = cast["nurse"]
    begin_session(nurse, "test")
    people.set_active(by=cast["administrator"], person=nurse, active=False)
    nurse.refresh_from_db()
    assert not nurse.has_perm("compliance.view_patient", patient)
    assert not BrowserSession.objects.filter(user=nurse, ended_at=None).exists()


def test_links_and_shifts_have_an_order_in_time(cast, ward):
    now = timezone.now()
    past = now - timedelta(hours=1)
    with pytest.raises(PersonInvalid):
        people.link(
            by=cast["administrator"], person=cast["nurse"], ward=ward, patient=None, starts_at=now, ends_at=past
        )
    with pytest.raises(PersonInvalid):
        people.add_shift(by=cast["administrator"], person=cast["nurse"], starts_at=now, ends_at=past)


def test_what_changes_a_person_is_recorded_without_names(cast, foreign_patient):
    boss, nurse, now = cast["administrator"], cast["nurse"], timezone.now()
    made = people.link(by=boss, person=nurse, ward=None, patient=foreign_patient, starts_at=now, ends_at=None)
    assert nurse.has_perm("compliance.view_patient", foreign_patient)
    people.end_link(by=boss, relationship=made, now=timezone.now())
    assert not nurse.has_perm("compliance.view_patient", foreign_patient)
    shift = people.add_shift(by=boss, person=nurse, starts_at=now, ends_at=now + timedelta(hours=8))
    people.remove_shift(by=boss, shift=shift)
    people.change_role(by=boss, person=nurse, role=Role.TRAINER)
    codes = list(Event.objects.filter(user=boss).order_by("pk").values_list("code", flat=True))
    assert codes == [
        "care_relationship_added", "care_relationship_ended", "shift_added", "shift_removed", "role_changed",
    ]  # fmt: skip
    assert "Somerville" not in str(list(Event.objects.values()))
