"""One timeline for a patient and for a device: every source is on it, and nobody sees a lane that is not theirs."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from compliance.adherence.fusion import Finding
from compliance.models import Event, EventCategory, Intake, IntakeSource
from compliance.services.events import record_event
from tests.conftest import sign_in
from tests.devices.evidence.scene import Scene
from twin.models import Alert, AlertStep
from twin.selectors.timeline import lane_query
from twin.timeline.entry import Lane
from twin.timeline.lanes import lane_of

pytestmark = pytest.mark.django_db

FACTS = {  # one of every lane that events fill: category, code, message
    Lane.MEDICATION: (EventCategory.CLINICAL, "intake_entered", "A dose was entered."),
    Lane.IMAGES: (EventCategory.CLINICAL, "study_opened", "Images were opened."),
    Lane.CARE: (EventCategory.CLINICAL, "limits_set", "Alarm limits were set."),
    Lane.DEVICES: (EventCategory.OPERATION, "device_active", "The device is active."),
    Lane.SECURITY: (EventCategory.SECURITY, "frame_forged", "A frame was refused."),
}
ALARM = "Heart rate 150, above 130"
HIDDEN = {
    "nurse": set(),
    "physician": set(),
    "administrator": {Lane.MEDICATION, Lane.IMAGES},
    "caregiver": {Lane.SECURITY},
    "trainer": {Lane.SECURITY},
}


@pytest.fixture
def scene(patient) -> Scene:
    made = Scene(patient)
    for category, code, message in FACTS.values():
        record_event(category=category, code=code, message=message, patient=patient, device_id=made.device.pk)
    now = timezone.now()
    Alert.objects.create(
        patient=patient, device=made.device, rule="heart_rate_high", metric="heart_rate", priority="high",
        message=ALARM, event_time=now, last_seen_at=now,
    )  # fmt: skip
    return made


@pytest.fixture
def pages(patient, scene) -> list[str]:
    return [f"/patients/{patient.pk}/timeline/", f"/devices/{scene.device.pk}/timeline/"]


def entries(client, url: str, **posted) -> str:
    answer = client.post(url, posted, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


@pytest.mark.parametrize("role", HIDDEN)
def test_each_role_sees_its_lanes_and_no_other(client, cast, pages, role):
    sign_in(client, cast[role])
    for page in pages:
        said = entries(client, page)
        assert ALARM in said
        for lane, (_, _, message) in FACTS.items():
            assert (message in said) is (lane not in HIDDEN[role]), (page, lane)
        hidden = [lane.value for lane in HIDDEN[role]]
        if hidden:  # asking for it by name does not help
            assert not any(FACTS[lane][2] in entries(client, page, lane=hidden) for lane in HIDDEN[role])
        now = timezone.now().timestamp()
        picture = client.get(f"{page}picture/", {"from": now - 3600, "to": now + 60}).json()["lanes"]
        assert set(picture) == {lane.value for lane in Lane if lane not in HIDDEN[role]}
        assert all(marks for lane, marks in picture.items())


@pytest.mark.parametrize("role", HIDDEN)
def test_evidence_of_an_event_is_for_those_who_see_its_lane(client, cast, scene, role):
    sign_in(client, cast[role])
    for lane, (_, code, _) in FACTS.items():
        event = Event.objects.get(code=code)
        status = client.get(f"/evidence/event/{event.pk}/").status_code
        assert status == (404 if lane in HIDDEN[role] else 200), lane


def test_an_event_shows_its_place_in_the_log_and_tells_when_it_was_changed(client, cast, scene):
    sign_in(client, cast["nurse"])
    event = Event.objects.get(code="limits_set")
    url = f"/evidence/event/{event.pk}/"
    assert "The event is in the transparency log" in client.get(url).content.decode()
    Event.objects.filter(pk=event.pk).update(message="Nothing happened.")
    assert "Do not rely on this" in client.get(url).content.decode()


def test_acts_on_alarms_intakes_and_gateways_are_on_it(client, cast, patient, scene, pages):
    now = timezone.now()
    AlertStep.objects.create(alert=Alert.objects.get(), user=cast["physician"], kind="acknowledged", at=now)
    Intake.objects.create(
        patient=patient, device_id=scene.device.pk, source=IntakeSource.PILLBOX, finding=Finding.TAKEN, confidence=0.9,
        at=now, recorded_at=now, seq=4, last_seq=9,
    )  # fmt: skip
    sign_in(client, cast["nurse"])
    for page in pages:
        said = entries(client, page)
        for words in (
            f"Acknowledged: {ALARM} · physician",
            "A dose was taken out",
            f"Gateway {scene.gateway.name} conn",
        ):
            assert words in said, words


@pytest.mark.parametrize(
    ("posted", "seen", "unseen"),
    [
        ({"lane": "care"}, "Alarm limits", "frame was refused"),
        ({"q": "REFUSED"}, "frame was refused", "Alarm limits"),
        ({"priority": "high"}, ALARM, "Alarm limits"),
        ({"priority": "low"}, "Nothing matches", ALARM),
        ({"to": "1000"}, "Nothing matches", ALARM),
    ],
)
def test_filters_narrow_the_list(client, cast, pages, posted, seen, unseen):
    sign_in(client, cast["nurse"])
    for page in pages:
        said = entries(client, page, **posted)
        assert seen in said
        assert unseen not in said


def test_words_that_were_searched_for_never_stand_in_an_address(client, cast, patient, pages):
    sign_in(client, cast["nurse"])
    asked = {"q": "Byron", "lane": ["care", "alarm"], "priority": "high"}
    answer = client.post(pages[0], asked, headers={"HX-Request": "true"})
    assert answer["HX-Replace-Url"] == f"{pages[0]}?lane=alarm&lane=care&priority=high"
    assert client.get(f"{pages[0]}?q=Byron").context["asked"].text == ""  # an address cannot search


def test_pages_go_on_where_the_last_one_ended(client, cast, patient, pages):
    now = timezone.now()
    rows = [
        Event(category="security", code="x", message=f"Fact {n:03}.", patient=patient, at=now - timedelta(hours=n // 3))
        for n in range(130)
    ]
    Event.objects.bulk_create(rows)
    sign_in(client, cast["nurse"])
    seen, posted = [], {"lane": "security", "q": "Fact"}
    while True:
        html = client.post(pages[0], posted, headers={"HX-Request": "true"}).content.decode()
        seen += re.findall(r"Fact (\d{3})\.</span>|Fact (\d{3})\. ", html) or re.findall(r"Fact (\d{3})\.", html)
        more = re.search(r'"before": "([^"]+)"', html)
        if not more:
            break
        posted["before"] = more.group(1)
    numbers = re.findall(r"\d{3}", str(seen))
    assert sorted(set(numbers)) == [f"{n:03}" for n in range(130)]


def test_a_device_keeps_what_it_did_at_its_former_patient_to_itself(client, cast, scene, foreign_patient):
    scene.device.patient = foreign_patient
    scene.device.gateway.ward = foreign_patient.ward
    scene.device.gateway.save()
    scene.device.save()
    client.logout()
    from compliance.models import CareRelationship

    CareRelationship.objects.filter(user=cast["nurse"]).update(ward=foreign_patient.ward)
    sign_in(client, cast["nurse"])
    said = entries(client, f"/devices/{scene.device.pk}/timeline/")
    assert ALARM not in said
    assert "A dose was entered" not in said


@pytest.mark.parametrize("query", ["", "from=1&to=0", "from=x&to=y", "from=0&to=nan", "from=0&to=1e12"])
def test_a_picture_of_no_time_is_refused(client, cast, pages, query):
    sign_in(client, cast["nurse"])
    assert client.get(f"{pages[0]}picture/?{query}").status_code == 400


@pytest.mark.parametrize("code", ["study_viewed", "study_opened", "dose_checked", "limits_set", "frame_forged", "new"])
@pytest.mark.parametrize("category", EventCategory.values)
def test_the_query_of_a_lane_finds_what_belongs_to_it(code, category):
    event = Event.objects.create(category=category, code=code, message="x")
    found = [lane for lane in Lane if Event.objects.filter(lane_query(lane), pk=event.pk).exists()]
    assert found == [lane_of(category, code)]


def test_events_lead_to_their_proof_for_those_who_may_see_the_log(client, cast, patient, pages):
    mark = re.compile(r'class="proof-mark" href="/log/events/(\d+)/"')
    for page in [*pages, f"/patients/{patient.pk}/panels/timeline/"]:
        html = sign_in(client, cast["nurse"]).get(page).content.decode()
        assert {int(pk) for pk in mark.findall(html)} <= set(Event.objects.values_list("pk", flat=True))
        assert len(mark.findall(html)) >= len(FACTS)
        assert not mark.search(sign_in(client, cast["caregiver"]).get(page).content.decode())


def test_a_jump_shows_what_was_until_then_and_pages_on_from_there(client, cast, patient):
    sign_in(client, cast["nurse"])
    noon = timezone.now().astimezone(ZoneInfo(patient.time_zone)).replace(hour=12, minute=0, second=0, microsecond=0)
    for minute in range(-60, 3):
        Event.objects.create(
            category="security",
            code="x",
            message=f"Minute {minute}.",
            patient=patient,
            at=noon + timedelta(minutes=minute),
        )
    page = f"/patients/{patient.pk}/timeline/"
    said = entries(client, page, at=f"{noon:%Y-%m-%dT%H:%M}")
    assert "Minute 0." in said
    assert "Minute 1." not in said
    assert "Minute -60." not in said  # on the next page
    for nonsense in ("x", "9999-99-99T00:00", "0001-01-01T00:00"):
        assert client.post(page, {"at": nonsense}, headers={"HX-Request": "true"}).status_code == 200
