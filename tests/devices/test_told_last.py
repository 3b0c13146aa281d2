"""What a gateway told last counts by when it came, whatever its clock says, and only from where the device is now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from compliance.models import Event
from devices.models import Device, DeviceAssignment, EdgeFact, Gateway
from devices.protocol.facts import Fact, FactKind
from devices.selectors import clock_of, sending_of
from devices.selectors.hearing import heard_of, history_of, links_by_gateway, moments_of
from devices.services.facts import ABOUTS_KEPT, FIRMWARE_NEWS_EVERY, Arrived, ToldFact, keep_facts
from devices.services.registry import register_device, register_gateway

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
YEAR_1970 = datetime(1970, 1, 2, tzinfo=UTC)


@pytest.fixture
def gateway(ward) -> Gateway:
    return register_gateway(name="North", ward=ward)


@pytest.fixture
def other(ward) -> Gateway:
    return register_gateway(name="South", ward=ward)


@pytest.fixture
def device(gateway, patient) -> Device:
    made, _key = register_device(
        serial="MON-1", kind="vital_signs_monitor", label="M", gateway=gateway, patient=patient
    )
    DeviceAssignment.objects.filter(device=made).update(starts_at=NOW - 60 * DAY)
    return made


def tell(device: Device, kind: FactKind, *, at: datetime, came: datetime, **said: object) -> None:
    """Have a gateway tell a fact. at: by its own clock; came: by ours; by: another gateway than the device's."""
    gateway = said.pop("by", device.gateway)
    described = {"rule": str(kind), "alarm": 0, "seen": "", "done": "", "cut_off": False}
    fact = Fact(device_id=device.pk, t=at.timestamp(), kind=kind, **(described | said))  # type: ignore[arg-type]
    seq = EdgeFact.objects.filter(device=device).count() + int(came.timestamp()) * 100
    keep_facts([Arrived(ToldFact(seq, fact), b"f", bytes(32), gateway.pk, 0)], came.timestamp())


def hear(device: Device, median_dbm: float, *, at: datetime, came: datetime, **more: object) -> None:
    values = {"rssi_median_dbm": median_dbm, "reconnects": 1.0}
    tell(device, FactKind.LINK, at=at, came=came, values=values, texts={"radio": "bluetooth"}, **more)


@pytest.mark.parametrize("at", [NOW - HOUR, YEAR_1970])
def test_news_of_a_gateway_whose_clock_was_set_back_are_news(device, at: datetime) -> None:
    hear(device, -90.0, at=NOW - 40 * MINUTE, came=NOW - 40 * MINUTE)
    hear(device, -50.0, at=at, came=NOW - MINUTE)
    (by_gateway,) = links_by_gateway(device, [device.gateway_id], NOW).values()
    for link in (heard_of([device], NOW)[device.pk].link, by_gateway):
        assert link is not None
        assert (link.rssi_median, link.told_at, link.strength) == (-50.0, NOW - MINUTE, "strong")


def test_the_history_of_a_link_goes_on_when_a_gateway_s_clock_was_set_back(device) -> None:
    hear(device, -90.0, at=NOW - 40 * MINUTE, came=NOW - 40 * MINUTE)
    hear(device, -50.0, at=NOW - 2 * DAY, came=NOW - MINUTE)
    history = history_of(device, NOW)
    assert (history.summaries, history.reconnects) == (2, 2)
    assert [point[:2] for point in history.points] == [(NOW - 40 * MINUTE, -90.0), (NOW - MINUTE, -50.0)]


def test_what_nobody_told_lately_is_no_news_whatever_time_the_gateway_gave_it(device) -> None:
    hear(device, -50.0, at=NOW, came=NOW - 40 * MINUTE)
    link = heard_of([device], NOW)[device.pk].link
    assert link is not None
    assert link.stale
    assert history_of(device, NOW + DAY).points == []


def test_figures_of_a_link_are_kept_for_a_month_after_they_came(device) -> None:
    for came in (NOW - 31 * DAY, NOW - 29 * DAY, NOW):
        hear(device, -50.0, at=YEAR_1970, came=came)
    assert [fact.received_at for fact in EdgeFact.objects.order_by("received_at")] == [NOW - 29 * DAY, NOW]


@pytest.mark.parametrize(("kind", "asked"), [(FactKind.CLOCK, clock_of), (FactKind.SENDING, sending_of)])
def test_clock_and_sending_are_what_the_gateway_of_now_told_last(device, other, kind, asked) -> None:
    tell(device, kind, at=NOW - HOUR, came=NOW - HOUR, seen="old")
    tell(device, kind, at=YEAR_1970, came=NOW - MINUTE, seen="new")
    tell(device, kind, at=NOW, came=NOW, seen="of another", by=other)
    assert asked(device).seen == "new"
    Device.objects.filter(pk=device.pk).update(gateway=other)
    device.refresh_from_db()
    assert asked(device).seen == "of another"


def test_a_link_is_that_of_the_gateway_where_the_device_is_now(device, other) -> None:
    hear(device, -50.0, at=NOW, came=NOW)
    Device.objects.filter(pk=device.pk).update(gateway=other)
    device.refresh_from_db()
    assert heard_of([device], NOW)[device.pk].link is None
    assert history_of(device, NOW).points == []


def says(device: Device, firmware: str, minute: int, **more: object) -> None:
    """Have a device name its firmware, or none, so many minutes after NOW."""
    texts = {"maker": "M"} | ({"firmware": firmware} if firmware else {})
    came = NOW + minute * MINUTE
    tell(device, FactKind.ABOUT, **{"at": came, "came": came, "texts": texts, **more})  # type: ignore[arg-type]


def changes() -> list[int]:
    return list(Event.objects.filter(code="device_firmware_changed").order_by("pk").values_list("count", flat=True))


def test_other_firmware_is_news_however_often_the_device_named_none_since(device) -> None:
    says(device, "1.0", 0)
    for minute in range(1, 2 * ABOUTS_KEPT):
        says(device, "", minute)
    assert changes() == []
    says(device, "2.0", 2 * ABOUTS_KEPT)
    assert changes() == [1]


@pytest.mark.parametrize("at", [NOW - HOUR, YEAR_1970])
def test_other_firmware_is_news_though_the_gateway_s_clock_was_set_back(device, at: datetime) -> None:
    says(device, "1.0", 0)
    says(device, "2.0", 1, at=at)
    assert changes() == [1]
    about = heard_of([device], NOW)[device.pk].about
    assert about is not None
    assert about.firmware == "2.0"


def test_the_same_firmware_is_no_news_though_a_clock_was_set_back_and_right_again(device) -> None:
    says(device, "1.0", 0)
    says(device, "2.0", 1, at=YEAR_1970)
    says(device, "2.0", 2)
    assert changes() == [1]


def test_a_device_that_says_something_else_each_time_fills_neither_table_nor_log(device) -> None:
    says(device, "the first", 0)
    for minute in range(1, 3 * ABOUTS_KEPT):
        says(device, f"text {minute}", minute)
    assert changes() == [3 * ABOUTS_KEPT - 1]
    kept = EdgeFact.objects.filter(device=device).order_by("-received_at").values_list("texts", flat=True)
    assert [texts["firmware"] for texts in kept] == [
        f"text {3 * ABOUTS_KEPT - 1 - back}" for back in range(ABOUTS_KEPT)
    ]


def test_another_change_after_an_hour_is_an_event_of_its_own(device) -> None:
    says(device, "1.0", 0)
    says(device, "2.0", 1)
    Event.objects.filter(code="device_firmware_changed").update(at=timezone.now() - FIRMWARE_NEWS_EVERY - MINUTE)
    says(device, "3.0", 2)
    assert changes() == [1, 1]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([(3, 5), (4, 5)], [3, 4]),  # late, since it was cut off: at its own time
        ([(3, 3), (2, 4), (3, 5), (6, 6)], [3, 4, 5, 6]),  # set back, and right again
        ([(-9, 3), (-8, 4)], [3, 4]),  # in 1970
        ([(-9, 5), (4, 5)], [5, 4]),  # cut off for longer than the span
    ],
)
def test_figures_stand_at_their_own_time_unless_a_clock_went_back(
    told: list[tuple[int, int]], expected: list[int]
) -> None:
    moments = moments_of([(NOW + at * MINUTE, NOW + came * MINUTE) for at, came in told], NOW)
    assert moments == [NOW + minutes * MINUTE for minutes in expected]
