"""Each attack does its harm where nothing stops it, and does none here: it is refused and stands in the log by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from channels.db import database_sync_to_async

from compliance.models import Event, EventCategory
from tests.devices.ingest.cast import events
from tests.lab.attack import Attack, LoggedBy
from tests.lab.house import House
from tests.lab.table import ATTACKS, slug

Note = Callable[[str, str, str], None]


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Note:
    """Keep what became of an attack, for `python -m tests.reenact`."""

    def keep(attack: str, where: str, found: str) -> None:
        for name, value in (("attack", attack), ("where", where), ("found", found)):
            record_property(name, value)

    return keep


@pytest.mark.parametrize("attack", ATTACKS, ids=slug)
def test_it_succeeds_on_the_vulnerable_profile(attack: Attack, note: Note) -> None:
    achieved = attack.there()
    note(attack.name, "there", achieved)
    assert achieved != ""


@pytest.mark.django_db(transaction=True)  # named here, or the tables are emptied before the house's writer has ended
@pytest.mark.parametrize("attack", ATTACKS, ids=slug)
async def test_the_house_refuses_it_by_name(
    attack: Attack, house: House, note: Note, caplog: pytest.LogCaptureFixture
) -> None:
    await house.connect()
    assert not await database_sync_to_async(Event.objects.filter(code=attack.event).exists)()
    achieved = await attack.here(house)
    note(attack.name, "here", achieved or attack.event)
    assert achieved == ""
    if attack.logged_by is LoggedBy.GATEWAY:
        assert f"={attack.event} " in caplog.text
    else:
        recorded = await events(attack.event)
        assert {event.category for event in recorded} <= {EventCategory.SECURITY, EventCategory.DATA_QUALITY}
    assert await house.still_hears_the_pump()
