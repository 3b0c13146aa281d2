"""A log in the database with records of the house, given their places."""

from __future__ import annotations

import pytest

PLAIN = """
[[rule]]
id = "{name}"
version = {version}
title = "Doses of ten"
plain = "No dose is above ten."
source = "a test"
severity = "low"
on = {{ codes = ["dose_given"] }}
[[rule.demand]]
name = "ten"
kind = "has"
where = {{ "detail.amount" = {amounts} }}
sentence = "Not ten."
"""


@pytest.fixture
def happens(db, patient):
    """Return `happens(code, **detail)`: record an event and give it its place in the log."""
    from compliance.models import EventCategory
    from compliance.services.events import record_event
    from compliance.services.log import sequence

    def happen(code: str, user=None, where=patient, **detail):
        event = record_event(
            category=EventCategory.CLINICAL,
            code=code,
            message="A test.",
            patient=where,
            user=user,
            detail={"atc": "B01AB05", **detail},
        )
        sequence()
        return event

    return happen


@pytest.fixture
def rule_text():
    """Return a maker of rules that judge doses."""
    return lambda amounts, name="ten", version=1: PLAIN.format(name=name, version=version, amounts=amounts)
