"""A ward that has sent, been attacked and missed doses, beside one that nobody of the cast may see."""

from __future__ import annotations

import pytest


@pytest.fixture
def device(ward, patient):
    from tests.twin.dashboard.furnishing import furnish

    return furnish(ward, patient, "ours", joules=2.0)


@pytest.fixture
def foreign_device(other_ward, foreign_patient):
    from tests.twin.dashboard.furnishing import furnish

    return furnish(other_ward, foreign_patient, "theirs", joules=500.0)
