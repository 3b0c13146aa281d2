"""Open pages learn of medication when, and only when, the change is committed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import transaction

from compliance.models import Medication, Regimen
from compliance.services.regimens import close_windows, order_single_dose
from compliance.services.risk import refresh_risk
from twin import handlers_intake

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def told(monkeypatch):
    notices = []
    monkeypatch.setattr(
        handlers_intake, "publish_notice", lambda patient_id, panel: notices.append((patient_id, panel))
    )
    return notices


@pytest.fixture
def dose(patient):
    medication = Medication.objects.create(name="Ramipril", strength="5 mg", unit_weight_g=0.2)
    regimen = Regimen.objects.create(
        patient=patient, medication=medication, times=["08:00"], starts_on=date(2026, 6, 1)
    )
    return order_single_dose(regimen=regimen, due_at=NOON, local_date=NOON.date(), now=NOON)


def test_missed_dose_and_new_risk_refresh_the_medication_panel(dose, told):
    refresh_risk(patient=dose.patient, now=NOON)
    close_windows(now=NOON + timedelta(hours=2))
    assert told == [(dose.patient_id, "medication")] * 2


def test_nothing_is_told_of_a_change_that_was_rolled_back(dose, told):
    with pytest.raises(RuntimeError), transaction.atomic():
        close_windows(now=NOON + timedelta(hours=2))
        raise RuntimeError("the transaction ends here")
    assert told == []
    dose.refresh_from_db()
    assert dose.state == "pending"
