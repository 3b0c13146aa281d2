"""Intakes settle doses at their event time, once, whoever saw them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from compliance.adherence.fusion import Episode
from compliance.errors import DoseNotOpen, IntakeNotWithdrawable
from compliance.models import Event, Intake, Medication, Regimen, ScheduledDose
from compliance.services.intakes import mark_taken, record_pillbox_episode, withdraw_intake
from compliance.services.regimens import close_windows, plan_doses
from tests.compliance.adherence.clock import NOON

pytestmark = pytest.mark.django_db
DEVICE = 77


@pytest.fixture
def dose(regimen):
    plan_doses(now=NOON - timedelta(minutes=1))
    return ScheduledDose.objects.order_by("due_at").first()


def _episode(minutes: float = 5.0, drop_g: float = 0.2, seq: int = 100) -> Episode:
    at = (NOON + timedelta(minutes=minutes)).timestamp()
    return Episode(seq, seq + 4, at, at + 7, True, 40.0, 40.0 - drop_g)


def _record(patient, episode: Episode, heard_minutes: float = 6.0):
    now = NOON + timedelta(minutes=heard_minutes)
    return record_pillbox_episode(patient=patient, device_id=DEVICE, episode=episode, now=now)


def _state(dose: ScheduledDose) -> str:
    dose.refresh_from_db()
    return dose.state


def test_pillbox_intake_settles_the_dose_and_names_its_readings(dose, facts):
    intake = _record(dose.patient, _episode())
    assert _state(dose) == "taken"
    assert dose.intake == intake
    assert (intake.device_id, intake.seq, intake.last_seq) == (DEVICE, 100, 104)
    assert intake.confidence > 0.99
    ((name, said),) = facts
    assert (name, said["doses"]) == ("intake_recorded", [dose])


def test_same_episode_again_changes_nothing(dose, facts):
    _record(dose.patient, _episode())
    assert _record(dose.patient, _episode(), heard_minutes=30) is None
    assert Intake.objects.count() == 1
    assert len(facts) == 1


def test_an_opening_under_the_number_of_another_gateway_is_the_same_one(dose):
    _record(dose.patient, _episode())
    assert _record(dose.patient, _episode(minutes=5 + 0.4 / 60, seq=2**48 + 7)) is None
    assert _record(dose.patient, _episode(minutes=5 - 0.4 / 60, seq=2**48 + 7)) is None
    assert _record(dose.patient, _episode(minutes=5 + 2 / 60, seq=2**48 + 8)) is not None


def test_database_refuses_a_second_intake_of_the_same_reading(dose):
    intake = _record(dose.patient, _episode())
    intake.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        intake.save(force_insert=True)


def test_curiosity_leaves_the_dose_open(dose):
    intake = _record(dose.patient, _episode(drop_g=0.0))
    assert intake.finding == "opened"
    assert _state(dose) == "pending"


def test_double_dose_counts_and_is_noted(dose):
    assert _record(dose.patient, _episode(drop_g=0.4)).finding == "double"
    assert _state(dose) == "taken"
    assert Event.objects.get().code == "double_dose_seen"


def test_second_intake_in_one_window_is_noted_as_extra(dose):
    _record(dose.patient, _episode())
    second = _record(dose.patient, _episode(minutes=20, seq=200), heard_minutes=21)
    assert second.doses.count() == 0
    assert Event.objects.get().code == "extra_dose_seen"


def test_pocket_doses_leave_the_question_open(dose):
    assert _record(dose.patient, _episode(drop_g=1.0)).finding == "several"
    assert _state(dose) == "pending"
    assert Event.objects.get().code == "several_doses_seen"


def test_late_news_of_a_timely_intake_makes_a_missed_dose_taken(dose):
    close_windows(now=NOON + timedelta(hours=2))
    assert _state(dose) == "missed"
    _record(dose.patient, _episode(minutes=10), heard_minutes=150)
    assert _state(dose) == "taken"
    assert dose.intake.at == NOON + timedelta(minutes=10)


def test_intake_after_the_window_is_late(dose):
    close_windows(now=NOON + timedelta(hours=2))
    _record(dose.patient, _episode(minutes=150), heard_minutes=151)
    assert _state(dose) == "late"


def test_intake_long_after_belongs_to_the_next_dose(dose):
    following = ScheduledDose.objects.order_by("due_at")[1]
    close_windows(now=NOON + timedelta(hours=2))
    _record(dose.patient, _episode(minutes=5.5 * 60), heard_minutes=5.6 * 60)
    assert (_state(dose), _state(following)) == ("missed", "taken")


def test_two_medicines_of_one_moment_are_told_apart_by_weight(dose):
    heavy = Medication.objects.create(name="Amoxicillin", strength="500 mg", unit_weight_g=0.95)
    Regimen.objects.create(patient=dose.patient, medication=heavy, times=["14:00"], starts_on=NOON.date())
    plan_doses(now=NOON)
    other = ScheduledDose.objects.get(regimen__medication=heavy, due_at=NOON)
    _record(dose.patient, _episode(drop_g=0.95))
    assert (_state(dose), _state(other)) == ("pending", "taken")
    _record(dose.patient, _episode(minutes=6, drop_g=0.2, seq=200), heard_minutes=8)
    assert _state(dose) == "taken"


def test_two_medicines_taken_together_settle_both(dose):
    heavy = Medication.objects.create(name="Amoxicillin", strength="500 mg", unit_weight_g=0.95)
    Regimen.objects.create(patient=dose.patient, medication=heavy, times=["14:00"], starts_on=NOON.date())
    plan_doses(now=NOON)
    intake = _record(dose.patient, _episode(drop_g=1.15))
    assert intake.doses.count() == 2


def test_what_a_device_saw_replaces_what_a_demonstration_made_up(dose):
    ScheduledDose.objects.filter(pk=dose.pk).update(state="missed", synthetic=True)
    _record(dose.patient, _episode())
    assert _state(dose) == "taken"
    assert not dose.synthetic


def test_entry_by_hand_settles_the_dose_and_can_be_taken_back(dose, make_user, facts):
    nurse = make_user("nurse")
    intake = mark_taken(dose=dose, user=nurse, now=NOON)
    assert _state(dose) == "taken"
    withdraw_intake(intake=intake, user=nurse, now=NOON + timedelta(minutes=1))
    assert _state(dose) == "pending"
    intake.refresh_from_db()
    assert intake.withdrawn_by == nurse
    assert [name for name, _ in facts] == ["intake_recorded", "intake_withdrawn"]
    assert set(Event.objects.values_list("code", flat=True)) == {"intake_entered", "intake_withdrawn"}
    with pytest.raises(IntakeNotWithdrawable):
        withdraw_intake(intake=intake, user=nurse, now=NOON + timedelta(minutes=2))


def test_entry_taken_back_after_the_window_leaves_the_dose_missed(dose, make_user):
    nurse = make_user("nurse")
    intake = mark_taken(dose=dose, user=nurse, now=NOON)
    withdraw_intake(intake=intake, user=nurse, now=NOON + timedelta(hours=3))
    assert _state(dose) == "missed"


@pytest.mark.parametrize("minutes", [-61, 60 + 12 * 60 + 1])
def test_dose_cannot_be_entered_too_early_or_too_late(dose, make_user, minutes):
    with pytest.raises(DoseNotOpen):
        mark_taken(dose=dose, user=make_user("nurse"), now=NOON + timedelta(minutes=minutes))


def test_dose_cannot_be_entered_twice(dose, make_user):
    nurse = make_user("nurse")
    mark_taken(dose=dose, user=nurse, now=NOON)
    with pytest.raises(DoseNotOpen):
        mark_taken(dose=dose, user=nurse, now=NOON)


def test_pillbox_after_an_entry_by_hand_confirms_and_is_no_extra_dose(dose, make_user):
    mark_taken(dose=dose, user=make_user("nurse"), now=NOON)
    _record(dose.patient, _episode())
    assert not Event.objects.filter(code="extra_dose_seen").exists()


def test_what_a_pillbox_saw_cannot_be_taken_back(dose, make_user):
    intake = _record(dose.patient, _episode())
    with pytest.raises(IntakeNotWithdrawable):
        withdraw_intake(intake=intake, user=make_user("nurse"), now=NOON)
