"""The house that is attacked, and a writer that ends with its test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.lab.house import House


@pytest.fixture
def house(transactional_db: None, ward: Any, patient: Any) -> House:
    from tests.lab.house import House

    return House.build(ward, patient)


@pytest.fixture(autouse=True)
def _ingest_ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from devices.services import ingest

    monkeypatch.setattr(ingest, "REGISTRY_S", 0.1)
    monkeypatch.setattr(ingest, "TICK_S", 0.1)  # events are written more often than in life
    yield
    ingest.stop_ingest()
