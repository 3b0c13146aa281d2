"""Reading the log: what is found is stored once, whatever is killed in between; drafts store nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from compliance.errors import ReasonNeeded, RuleRefused
from compliance.models import Event, LogEntry, Notice, Outcome, RuleVersion, Violation
from compliance.services import rules as service
from compliance.services.administrations import Entry, check_dose, correct_entry, record_dose
from compliance.services.log import sequence
from compliance.services.log_erasure import erase_subject
from compliance.services.rules import evaluate_rules, read_draft, settle, switch_on

pytestmark = pytest.mark.django_db


def found() -> set[tuple[str, str]]:
    return set(Violation.objects.values_list("rule__rule_id", "demand"))


def test_a_broken_rule_is_stored_once_with_its_leaves_and_a_notice(happens, patient):
    happens("dose_given", amount=40, unit="mg", order=9, administration=1, high_alert=True, entry="first")
    assert evaluate_rules() == 2
    assert evaluate_rules() == 0
    assert found() == {("dose-within-order", "order-stands"), ("double-check", "checked")}
    violation = Violation.objects.get(demand="checked")
    assert violation.indexes == [LogEntry.objects.get(event_id=Event.objects.get(code="dose_given").pk).leaf_index]
    assert (violation.patient, violation.ward_id) == (patient, patient.ward_id)
    assert Notice.objects.filter(code="rule_broken", ward_id=patient.ward_id).count() == 2


def test_what_the_pages_do_breaks_no_rule(happens, cast, patient):
    """The guard and the rules agree: what one lets pass, the other does not find."""
    from django.utils import timezone

    from compliance.orders.formulary import formulary
    from compliance.orders.prescription import Prescription
    from compliance.services.orders import prescribe
    from compliance.services.regimens import order_single_dose

    now = timezone.now()
    happens("second_factor_proved", cast["physician"], where=None)
    happens("second_factor_proved", cast["nurse"], where=None)
    drug = formulary()["enoxaparin-100"]
    wanted = Prescription(drug, 40.0, (now.time(),), 60.0, 100.0, now.date())
    order = prescribe(patient=patient, user=cast["physician"], wanted=wanted, now=now)
    dose = order_single_dose(regimen=order.regimen, due_at=now, local_date=now.date(), now=now)
    check_dose(dose=dose, user=cast["nurse"], amount=40.0, now=now)
    later = timezone.now()
    made = record_dose(dose=dose, user=cast["physician"], entry=Entry(Outcome.GIVEN, later, 40.0), now=later)
    sequence()
    assert evaluate_rules() == 0
    too_much = Entry(Outcome.GIVEN, later, 70.0)
    correct_entry(entry=made, user=cast["nurse"], becomes=too_much, reason="wrong_amount", now=timezone.now())
    sequence()
    evaluate_rules()
    assert found() == {("dose-within-order", "single-dose")}


@pytest.mark.parametrize("batch", [1, 2, 3, 500])
def test_batch_size_does_not_matter(happens, monkeypatch, batch):
    monkeypatch.setattr(service, "BATCH", batch)
    for amount in (10, 11, 10, 12, 13):
        happens("dose_given", amount=amount)
    evaluate_rules()
    leaves = Violation.objects.filter(demand="order-stands").order_by("leaf_index").values_list("leaf_index", flat=True)
    assert len(set(leaves)) == 5


def test_a_process_killed_before_its_commit_finds_the_same_again(happens):
    happens("dose_given", amount=40)
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        evaluate_rules()
        raise KeyboardInterrupt
    assert not Violation.objects.exists()
    assert evaluate_rules() == 1
    assert Violation.objects.count() == 1


def test_time_passes_in_a_quiet_log(happens, patient):
    happens("alert_raised", alert=1, priority="high")
    evaluate_rules()
    long_ago = LogEntry.objects.get(kind="event", record__contains="alert_raised").at - timedelta(hours=1)
    LogEntry.objects.filter(record__contains="alert_raised").update(at=long_ago)
    RuleVersion.objects.update(next_index=0, engine=None)
    for _ in range(3):  # the first turns read what is there, then one tells the time, and the next hears it
        evaluate_rules()
        sequence()
    assert found() == {("alarm-answered", "answered")}


def test_an_erased_record_keeps_its_place_and_accuses_nobody(happens, patient):
    happens("dose_given", amount=40)
    erase_subject(patient.pk)
    assert evaluate_rules() == 0
    assert (
        RuleVersion.objects.get(rule_id="double-check").next_index
        == LogEntry.objects.filter(leaf_index__isnull=False).count()
    )


def test_a_rule_switched_on_reads_from_the_beginning_and_retires_the_one_before(happens, rule_text, cast):
    for amount in (10, 11):
        happens("dose_given", amount=amount)
    user = cast["administrator"]
    switch_on(rule=read_draft(rule_text([11])), text=rule_text([11]), user=user)
    evaluate_rules()
    newer = rule_text([10], version=2)
    switch_on(rule=read_draft(newer), text=newer, user=user)
    evaluate_rules()
    states = dict(RuleVersion.objects.filter(rule_id="ten").values_list("version", "state"))
    assert states == {1: "retired", 2: "active"}
    assert Violation.objects.filter(rule__rule_id="ten").count() == 2
    with pytest.raises(RuleRefused, match="higher number"):
        switch_on(rule=read_draft(newer), text=newer, user=user)


def test_a_violation_is_settled_with_a_reason_and_stays(happens, cast):
    happens("dose_given", amount=40)
    evaluate_rules()
    violation = Violation.objects.get()
    with pytest.raises(ReasonNeeded):
        settle(violation=violation, user=cast["physician"], state="closed", reason=" \0 ")
    with pytest.raises(ReasonNeeded):
        settle(violation=violation, user=cast["physician"], state="open", reason="x")
    settle(violation=violation, user=cast["physician"], state="explained", reason="Ordered by telephone.")
    violation.refresh_from_db()
    assert (violation.state, violation.settled_by) == ("explained", cast["physician"])
    assert "telephone" not in str(Event.objects.get(code="violation_explained").detail)


def test_a_newer_version_of_a_hospitals_own_stays_when_the_house_ships_an_older_one(happens, rule_text, cast):
    text = rule_text([10], name="double-check", version=9)
    switch_on(rule=read_draft(text), text=text, user=cast["administrator"])
    evaluate_rules()
    assert RuleVersion.objects.get(rule_id="double-check", state="active").version == 9


def test_a_rule_in_another_language_stops_no_other(happens):
    evaluate_rules()
    RuleVersion.objects.filter(rule_id="access-with-relationship").update(text="language = 2")
    happens("dose_given", amount=40)
    assert evaluate_rules() == 1


def test_what_the_pages_note_of_looks_breaks_no_rule_unless_nothing_ties_the_reader(cast, patient, foreign_patient):
    from compliance.services.accesses import record_access, record_list_access

    for role in ("nurse", "physician", "caregiver", "administrator", "trainer", "patient"):
        record_access(user=cast[role], patient=patient, what="history")
    record_list_access(user=cast["nurse"], patients=[patient.pk], what="ward")
    sequence()
    assert evaluate_rules() == 0
    record_access(user=cast["nurse"], patient=foreign_patient, what="history")
    record_list_access(user=cast["nurse"], patients=[patient.pk, foreign_patient.pk], what="alerts")
    sequence()
    assert evaluate_rules() == 2
    assert set(Violation.objects.values_list("rule__rule_id", "patient")) == {
        ("access-with-relationship", foreign_patient.pk)
    }


def test_an_emergency_access_is_a_tie_until_it_was_never_opened(cast, foreign_patient):
    from datetime import date

    from django.utils import timezone

    from compliance.services.accesses import record_access
    from compliance.services.emergency import open_record

    open_record(
        user=cast["nurse"], record_number=foreign_patient.medical_record_number, birth_date=foreign_patient.birth_date,
        reason="emergency", explanation="A test.", now=timezone.now(),
    )  # fmt: skip
    assert isinstance(foreign_patient.birth_date, date)
    record_access(user=cast["nurse"], patient=foreign_patient, what="history")
    sequence()
    assert evaluate_rules() == 0
    record_access(user=cast["physician"], patient=foreign_patient, what="history")
    sequence()
    assert evaluate_rules() == 1
