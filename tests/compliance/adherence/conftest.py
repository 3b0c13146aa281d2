"""A patient with a plan, and the facts that were announced."""

from __future__ import annotations

from datetime import date

import pytest


@pytest.fixture
def regimen(patient):
    from compliance.models import Medication, Regimen

    medication = Medication.objects.create(name="Ramipril", strength="5 mg", unit_weight_g=0.2)
    return Regimen.objects.create(
        patient=patient, medication=medication, times=["14:00", "20:00"], starts_on=date(2026, 6, 1)
    )


@pytest.fixture
def facts():
    """Collect (signal name, keyword arguments) in order."""
    from compliance import signals

    heard, receivers = [], []
    for name in ("dose_missed", "intake_recorded", "intake_withdrawn", "risk_recomputed"):

        def receive(sender, name=name, **kwargs):
            heard.append((name, kwargs))

        getattr(signals, name).connect(receive)
        receivers.append((name, receive))
    yield heard
    for name, receive in receivers:
        getattr(signals, name).disconnect(receive)
