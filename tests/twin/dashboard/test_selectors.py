"""What the pages add up, against sums done by hand, and who sees which rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from compliance.models import Event, EventCategory
from compliance.models.regimens import ScheduledDose
from compliance.policy.asking import asking
from devices.models import EnergyUsage, Gateway
from twin.selectors.adherence import adherence_summary
from twin.selectors.analytics import PERIODS, Filters, bucket_start, wards_for
from twin.selectors.energy import energy_summary
from twin.selectors.security import security_summary

pytestmark = pytest.mark.django_db
ALL = Filters(PERIODS["30d"])


def test_filters_are_read_from_a_url_and_nonsense_falls_back():
    assert Filters.read("?period=7d&ward=3&kind=cgm") == Filters(PERIODS["7d"], 3, "cgm")
    assert Filters.read("?period=year&ward=3;drop&kind=toaster") == Filters()
    assert Filters.read("?ward=99999999999999999999") == Filters()
    assert Filters.read(None, "30d") == Filters(PERIODS["30d"])


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21 02", datetime(2026, 11, 21, 2, tzinfo=UTC)),
        ("2026-11-21 02:4", datetime(2026, 11, 21, 2, 40, tzinfo=UTC)),
        ("2026-11-21 02:42", datetime(2026, 11, 21, 2, 42, tzinfo=UTC)),
    ],
)
def test_a_bucket_name_is_a_moment(text, start):
    assert bucket_start(text) == start


def test_a_period_starts_on_a_whole_bucket():
    now = datetime(2026, 11, 21, 2, 47, 31, tzinfo=UTC)
    assert Filters(PERIODS["24h"]).since(now) == datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def test_energy_is_added_up_by_link_device_patient_and_time(cast, device, foreign_device):
    summary = energy_summary(cast["nurse"], ALL)
    assert (summary.total.joules, summary.uplink.messages, summary.uplink.overhead_bytes) == (4.0, 10, 360)
    assert summary.total.security_j == pytest.approx(0.2)
    assert {link: sums.joules for link, sums in summary.links.items()} == {"ble": 2.0, "wifi": 2.0}
    assert [(entry.device.pk, entry.sums.joules) for entry in summary.devices] == [(device.pk, 4.0)]
    assert sum(summary.series.values()) == 4.0
    # One minute of monitoring used 4 J, so a whole day would use 1,440 times as much.
    assert summary.joules_per_patient_day == pytest.approx(4.0 * 1440)


def test_energy_buckets_are_those_of_the_period(cast, device):
    EnergyUsage.objects.update(starts_at=timezone.now() - timedelta(hours=3))
    (row, *_) = EnergyUsage.objects.all()
    for period in (period for key, period in PERIODS.items() if key != "1h"):
        buckets = {at for at, _ in energy_summary(cast["nurse"], Filters(period)).series}
        assert buckets == {bucket_start(f"{row.starts_at:%Y-%m-%d %H:%M}"[: period.digits])}


def test_a_young_history_is_cut_into_minutes(cast, device):
    moments = [timezone.now() - timedelta(minutes=minutes) for minutes in (2, 30)]
    for row, at in zip(EnergyUsage.objects.all(), moments, strict=False):
        EnergyUsage.objects.filter(pk=row.pk).update(starts_at=at.replace(second=0, microsecond=0))
    summary = energy_summary(cast["nurse"], Filters(PERIODS["24h"]))
    assert summary.bucket == timedelta(minutes=1)
    assert all(at.minute in {moment.minute for moment in moments} for at, _ in summary.series)


def test_energy_before_the_period_is_left_out(cast, device):
    EnergyUsage.objects.update(starts_at=timezone.now() - timedelta(days=2))
    assert energy_summary(cast["nurse"], Filters(PERIODS["24h"])).total.messages == 0
    assert energy_summary(cast["nurse"], ALL).total.messages == 20


def test_energy_can_be_asked_by_kind_and_ward(cast, device, ward, other_ward):
    nurse = cast["nurse"]
    assert energy_summary(nurse, Filters(PERIODS["30d"], kind="cgm", ward_id=ward.pk)).total.messages == 20
    assert energy_summary(nurse, Filters(PERIODS["30d"], kind="mr_scanner")).total.messages == 0
    assert energy_summary(nurse, Filters(PERIODS["30d"], ward_id=other_ward.pk)).total.messages == 0


@pytest.mark.parametrize("who", ["outsider"])
def test_an_outsider_sees_no_energy_event_or_dose(cast, device, who):
    user = cast[who]
    assert energy_summary(user, ALL).total.messages == 0
    assert security_summary(user, ALL).codes == {}
    assert adherence_summary(user, ALL).patients == []


def test_events_are_counted_by_code_and_category(cast, device, foreign_device):
    summary = security_summary(cast["nurse"], ALL)
    assert summary.codes == {("security", "frame_forged"): 3, ("data_quality", "reading_not_finite"): 1}
    assert (summary.frames_refused, summary.total("frame_forged")) == (4, 3)
    assert sum(summary.series.values()) == 4
    assert {event.device_id for event in summary.newest} == {device.pk}


def test_clinical_events_are_not_security(cast, device, patient):
    Event.objects.create(category=EventCategory.CLINICAL, code="device_assigned", message="x", patient=patient)
    assert ("clinical", "device_assigned") not in security_summary(cast["nurse"], ALL).codes


def test_failed_sign_ins_are_for_administrators_alone(cast):
    Event.objects.create(category=EventCategory.SECURITY, code="sign_in_failed", message="x", count=4)
    seen = {who: security_summary(user, ALL).total("sign_in_failed") for who, user in cast.items()}
    assert {who for who, count in seen.items() if count} == {"administrator"}
    assert seen["administrator"] == 4


def test_a_gateway_that_is_not_heard_counts_as_down(cast, device, ward):
    assert security_summary(cast["nurse"], ALL).gateways_down == []
    Gateway.objects.filter(pk=device.gateway_id).update(last_seen_at=timezone.now() - timedelta(minutes=2))
    (down,) = security_summary(cast["nurse"], ALL).gateways_down
    assert down.pk == device.gateway_id


def test_adherence_measures_each_patient(cast, device, foreign_device, patient):
    (entry,) = adherence_summary(cast["nurse"], ALL).patients
    # Three days with one dose each: taken, missed, late. Late counts as covered, not as on time.
    assert entry.patient == patient
    assert (entry.measures.doses, entry.missed) == (3, 1)
    assert entry.measures.pdc == pytest.approx(2 / 3)
    assert entry.measures.on_time_rate == pytest.approx(1 / 3)
    assert entry.risk is not None
    assert entry.risk.probability == 0.7


def test_missed_doses_are_counted_by_day(cast, device):
    missed = adherence_summary(cast["nurse"], ALL).missed_per_day
    assert sorted(missed.values()) == [0, 0, 1]


def test_the_risk_shown_is_that_of_the_next_dose_still_open(cast, device):
    now = timezone.now()
    ScheduledDose.objects.filter(state="pending").update(
        opens_at=now - timedelta(hours=2), due_at=now - timedelta(hours=1), closes_at=now - timedelta(minutes=1)
    )
    (entry,) = adherence_summary(cast["nurse"], ALL).patients
    assert entry.risk is None


def test_wards_offered_as_a_filter_are_those_in_sight(cast, ward, other_ward):
    assert [entry.pk for entry in wards_for(cast["nurse"])] == [ward.pk]
    assert [entry.pk for entry in wards_for(cast["caregiver"])] == [ward.pk]
    assert wards_for(cast["outsider"]) == []


def test_queries_do_not_grow_with_rows(cast, device, django_assert_max_num_queries):
    with asking(), django_assert_max_num_queries(11):  # five of them learn who asks
        energy_summary(cast["nurse"], ALL)
    with asking(), django_assert_max_num_queries(12):
        security_summary(cast["administrator"], ALL)
    with asking(), django_assert_max_num_queries(11):
        adherence_summary(cast["nurse"], ALL)
