"""Orders and entries as stored: versions, checks, corrections, and the events that say so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compliance.errors import (
    DoseRefused,
    EntryNotCorrectable,
    IntakeNotWithdrawable,
    NothingWasGiven,
    OrderNotOpen,
    OrderRefused,
    ReasonNeeded,
)
from compliance.models import Administration, Event, MedicationOrder, Outcome, OutcomeReason, ScheduledDose
from compliance.services.administrations import Entry, check_dose, correct_entry, record_dose, take, undo_taken
from compliance.services.orders import change, prescribe, stop
from compliance.services.regimens import plan_doses

pytestmark = pytest.mark.django_db


def codes() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("code", flat=True))


def give(dose, user, amount, now):
    return record_dose(dose=dose, user=user, entry=Entry(Outcome.GIVEN, now, amount), now=now)


def test_an_order_plans_its_doses_and_leaves_its_numbers_in_the_event(patient, cast, written, now):
    order = prescribe(patient=patient, user=cast["physician"], wanted=written("ramipril-5", 5.0), now=now)
    assert ScheduledDose.objects.filter(regimen=order.regimen).exists()
    event = Event.objects.get(code="dose_ordered")
    assert event.detail["dose"] == 5.0
    assert event.detail["unit"] == "mg"
    assert event.detail["atc"] == "C09AA05"
    assert event.detail["high_alert"] is False
    assert "Byron" not in str(event.detail) + event.message


def test_an_order_above_the_house_limit_is_refused_with_the_reason(patient, cast, written, now):
    with pytest.raises(OrderRefused) as refused:
        prescribe(patient=patient, user=cast["physician"], wanted=written("ramipril-5", 10.0, max_single=20.0), now=now)
    assert "10 mg" in refused.value.faults["max_single"]
    assert not MedicationOrder.objects.exists()


def test_a_change_is_a_new_version_and_the_old_one_stays_as_it_was(cast, ramipril, written, now):
    order, dose = ramipril
    newer = change(order=order, user=cast["physician"], wanted=written("ramipril-5", 10.0, "09:00"), now=now)
    old = MedicationOrder.objects.get(pk=order.pk)
    assert (newer.version, newer.line, newer.supersedes_id) == (2, order.line, order.pk)
    assert (old.dose, old.end_reason) == (5.0, "changed")
    assert ScheduledDose.objects.get(pk=dose.pk).state == "skipped"
    plan_doses(now=now + timedelta(hours=1))
    assert not ScheduledDose.objects.filter(regimen=old.regimen, state="pending").exists()
    assert ScheduledDose.objects.filter(regimen=newer.regimen, state="pending").exists()
    with pytest.raises(OrderNotOpen):
        change(order=order, user=cast["physician"], wanted=written("ramipril-5", 5.0), now=now)


def test_a_dose_due_now_follows_the_new_version_when_it_has_that_time(patient, cast, written, now):
    clock = f"{now.astimezone():%H:%M}"
    wanted = written("ramipril-5", 5.0, clock)
    patient.time_zone = "UTC"
    patient.save()
    wanted = written("ramipril-5", 5.0, f"{now:%H:%M}")
    order = prescribe(patient=patient, user=cast["physician"], wanted=wanted, now=now - timedelta(minutes=5))
    newer = change(order=order, user=cast["physician"], wanted=written("ramipril-5", 10.0, f"{now:%H:%M}"), now=now)
    assert ScheduledDose.objects.filter(regimen=newer.regimen, due_at__lte=now, state="pending").count() == 1


def test_another_medicine_is_another_order(cast, ramipril, written, now):
    with pytest.raises(OrderRefused):
        change(order=ramipril[0], user=cast["physician"], wanted=written("bisoprolol-5", 5.0), now=now)


def test_a_stopped_order_gives_nothing_more(cast, ramipril, now):
    order, dose = ramipril
    with pytest.raises(ReasonNeeded):
        stop(order=order, user=cast["physician"], reason="because", now=now)
    stop(order=order, user=cast["physician"], reason="adverse", now=now)
    with pytest.raises(DoseRefused) as refused:
        give(dose, cast["nurse"], 5.0, now)
    assert refused.value.code == "order_stopped"
    assert codes() == ["dose_ordered", "dose_order_stopped", "order_stopped"]


def test_a_given_dose_settles_the_plan_and_is_recorded(cast, ramipril, now):
    _, dose = ramipril
    made = give(dose, cast["nurse"], 5.0, now)
    dose.refresh_from_db()
    assert (dose.state, dose.intake_id) == ("taken", made.intake_id)
    assert Event.objects.get(code="dose_given").detail["amount"] == 5.0
    with pytest.raises(DoseRefused) as again:
        give(dose, cast["nurse"], 5.0, now)
    assert again.value.code == "dose_given_already"


def test_a_refusal_of_the_guard_outlives_the_transaction_that_it_ended(cast, ramipril, now):
    with pytest.raises(DoseRefused):
        give(ramipril[1], cast["nurse"], 500.0, now)
    assert Event.objects.get(code="single_dose_too_high").user == cast["nurse"]
    assert not Administration.objects.exists()


def test_doses_of_one_substance_add_up_over_orders(cast, ordered, now):
    _, first = ordered("ramipril-5", 5.0)
    _, second = ordered("ramipril-5", 10.0)
    give(first, cast["nurse"], 5.0, now - timedelta(minutes=20))
    with pytest.raises(DoseRefused) as refused:
        give(second, cast["nurse"], 10.0, now)
    assert refused.value.code == "daily_dose_too_high"


def test_a_high_alert_dose_takes_two_people(cast, enoxaparin, now):
    _, dose = enoxaparin
    with pytest.raises(DoseRefused) as unchecked:
        give(dose, cast["nurse"], 40.0, now)
    assert unchecked.value.code == "double_check_missing"
    check_dose(dose=dose, user=cast["nurse"], amount=40.0, now=now)
    with pytest.raises(DoseRefused) as alone:
        give(dose, cast["nurse"], 40.0, now)
    assert alone.value.code == "double_check_by_same_person"
    made = give(dose, cast["physician"], 40.0, now)
    assert made.check_used.checked_by == cast["nurse"]
    assert Event.objects.get(code="dose_given").detail["check"] == made.check_used_id


def test_one_click_cannot_pass_the_double_check(cast, enoxaparin, now):
    with pytest.raises(DoseRefused):
        take(dose=enoxaparin[1], user=cast["nurse"], now=now)


def test_a_check_above_the_order_is_refused(cast, enoxaparin, now):
    with pytest.raises(DoseRefused) as refused:
        check_dose(dose=enoxaparin[1], user=cast["nurse"], amount=140.0, now=now)
    assert refused.value.code == "single_dose_too_high"


@pytest.mark.parametrize(("outcome", "state"), [(Outcome.WITHHELD, "skipped"), (Outcome.REFUSED, "missed")])
def test_a_dose_not_given_needs_its_reason_and_can_be_given_later(cast, ramipril, now, outcome, state):
    _, dose = ramipril
    with pytest.raises(ReasonNeeded):
        record_dose(dose=dose, user=cast["nurse"], entry=Entry(outcome, now), now=now)
    entry = Entry(outcome, now, reason=OutcomeReason.ASLEEP)
    record_dose(dose=dose, user=cast["nurse"], entry=entry, now=now)
    dose.refresh_from_db()
    assert dose.state == state
    give(dose, cast["nurse"], 5.0, now)
    dose.refresh_from_db()
    assert dose.state == "taken"


def test_a_mistake_is_corrected_by_an_entry_and_nothing_is_deleted(cast, ramipril, now):
    _, dose = ramipril
    wrong = give(dose, cast["nurse"], 5.0, now)
    right = correct_entry(
        entry=wrong, user=cast["nurse"], becomes=Entry(Outcome.GIVEN, now, 2.5), reason="wrong_amount", now=now
    )
    assert list(Administration.objects.order_by("pk").values_list("amount", flat=True)) == [5.0, 2.5]
    assert Event.objects.filter(code="dose_given").latest("pk").detail["corrects"] == wrong.pk
    with pytest.raises(EntryNotCorrectable):
        correct_entry(entry=wrong, user=cast["nurse"], becomes=Entry(Outcome.VOID, now), reason="mistake", now=now)
    correct_entry(entry=right, user=cast["nurse"], becomes=Entry(Outcome.VOID, now), reason="mistake", now=now)
    dose.refresh_from_db()
    assert (dose.state, dose.intake) == ("pending", None)
    assert Administration.objects.count() == 3
    give(dose, cast["nurse"], 5.0, now)


def test_correcting_a_refusal_leaves_a_dose_that_was_given_since(cast, ramipril, now):
    _, dose = ramipril
    refusal = Entry(Outcome.REFUSED, now, reason=OutcomeReason.UNWANTED)
    first = record_dose(dose=dose, user=cast["nurse"], entry=refusal, now=now)
    give(dose, cast["nurse"], 5.0, now)
    with pytest.raises(EntryNotCorrectable):
        correct_entry(entry=first, user=cast["nurse"], becomes=Entry(Outcome.GIVEN, now, 5), reason="mistake", now=now)
    correct_entry(entry=first, user=cast["nurse"], becomes=Entry(Outcome.VOID, now), reason="mistake", now=now)
    dose.refresh_from_db()
    assert dose.state == "taken"


def test_undo_of_one_click_is_a_correcting_entry(cast, ramipril, now):
    _, dose = ramipril
    take(dose=dose, user=cast["nurse"], now=now)
    dose.refresh_from_db()
    undo_taken(intake=dose.intake, user=cast["nurse"], now=now)
    assert list(Administration.objects.order_by("pk").values_list("outcome", flat=True)) == ["given", "void"]
    assert codes()[-1] == "dose_void"


def test_what_was_withheld_does_not_become_given_past_the_guard(cast, ramipril, now):
    _, dose = ramipril
    withheld = Entry(Outcome.WITHHELD, now, reason=OutcomeReason.VITALS)
    first = record_dose(dose=dose, user=cast["nurse"], entry=withheld, now=now)
    far_too_much = Entry(Outcome.GIVEN, now, 500)
    with pytest.raises(NothingWasGiven):
        correct_entry(entry=first, user=cast["nurse"], becomes=far_too_much, reason="mistake", now=now)
    correct_entry(entry=first, user=cast["nurse"], becomes=Entry(Outcome.VOID, now), reason="mistake", now=now)
    with pytest.raises(DoseRefused):
        give(dose, cast["nurse"], 500, now)


def test_one_click_takes_back_only_what_is_recent(cast, ramipril, now):
    _, dose = ramipril
    take(dose=dose, user=cast["nurse"], now=now)
    dose.refresh_from_db()
    with pytest.raises(IntakeNotWithdrawable):
        undo_taken(intake=dose.intake, user=cast["nurse"], now=now + timedelta(hours=13))
    dose.refresh_from_db()
    assert dose.state == "taken"
