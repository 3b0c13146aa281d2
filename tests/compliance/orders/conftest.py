"""A high-alert order and a plain one, each with a dose that is due now."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.utils import timezone

from compliance.orders.formulary import formulary
from compliance.orders.prescription import Prescription


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def written(now):
    """Return a maker of prescriptions: `written("ramipril-5", 5.0)`."""

    def write(key: str, dose: float, *clocks: str, **limits):
        drug = formulary()[key]
        values = {"max_single": drug.max_single, "max_daily": drug.max_daily, "starts_on": now.date(), **limits}
        return Prescription(drug, dose, tuple(time.fromisoformat(clock) for clock in clocks or ("08:00",)), **values)

    return write


@pytest.fixture
def ordered(patient, cast, written, now):
    """Return a maker of orders with one dose due now."""
    from compliance.models import ScheduledDose
    from compliance.services.orders import prescribe
    from compliance.services.regimens import order_single_dose

    def order(key: str, dose: float, *clocks: str, **limits):
        made = prescribe(
            patient=patient,
            user=cast["physician"],
            wanted=written(key, dose, *clocks, **limits),
            now=now - timedelta(hours=1),
        )
        ScheduledDose.objects.filter(regimen=made.regimen).delete()
        return made, order_single_dose(regimen=made.regimen, due_at=now, local_date=now.date(), now=now)

    return order


@pytest.fixture
def enoxaparin(ordered):
    return ordered("enoxaparin-100", 40.0)


@pytest.fixture
def ramipril(ordered):
    return ordered("ramipril-5", 5.0)
