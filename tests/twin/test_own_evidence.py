"""A patient opens what proves the own record, in plain words first, and nothing of anybody else's."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from compliance.models import AccessRecord, Event
from compliance.policy.document import house_text
from compliance.privacy.purposes import TEXT_VERSION
from compliance.selectors.accesses import disclosures_of
from compliance.services.policy import activate, put_down
from devices.evidence.tree import leads_to
from devices.services import sealing
from devices.services.registry import assign_device
from devices.services.telemetry import store
from tests.conftest import sign_in
from tests.devices.evidence.scene import Scene, into_the_log, tamper
from tests.system.objects import objects_of
from twin.models import Alert
from twin.selectors.own_evidence import event_of_look

pytestmark = pytest.mark.django_db
LINK = re.compile(r'href="(/(?:me/)?(?:evidence|log|devices|patients|imaging)/[^"]+)"')


@pytest.fixture
def scene(patient) -> Scene:
    return Scene(patient)


@pytest.fixture
def ada(client, cast):
    return sign_in(client, cast["patient"])


def own(scene: Scene, seq: int) -> str:
    return f"/me{scene.url(seq)}"


def words(client, url: str) -> str:
    """Return the panel's words, as a reader has them."""
    answer = client.get(url, headers={"HX-Request": "true"})
    assert answer.status_code == 200, url
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).replace("&#x27;", "'").split())


def refusal(client, url: str) -> tuple[int, str]:
    """Return the status of an answer and its words; a token against forgery in it is another one each time."""
    answer = client.get(url)
    return answer.status_code, " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def outcomes(client, url: str) -> set[str]:
    text = client.get(url, headers={"HX-Request": "true"}).content.decode()
    return set(re.findall(r'check-line (\w+)"', text))


def test_a_value_of_the_own_page_opens_its_proof_in_plain_words_first(ada, scene, settings):
    (seq,) = scene.send(71.0)
    into_the_log(settings)
    assert f'href="{own(scene, seq)}"' in ada.get("/me/").content.decode()
    said = words(ada, own(scene, seq))
    assert "Heart rate 71" in said
    assert "Monitor M-12, which you wore, measured this" in said
    assert said.index("like a letter in an envelope") < said.index("What was checked just now")
    assert outcomes(ada, own(scene, seq)) == {"holds"}
    page = ada.get(own(scene, seq)).content.decode()
    assert "<!doctype html>" in page
    assert "/devices/" not in page
    assert "/patients/" not in page


def test_a_value_that_was_changed_says_not_to_rely_on_it(ada, scene):
    (seq,) = scene.send(71.0)
    sealing.seal_frames(store())
    tamper("update reading set value = 99 where seq = ?", seq)
    said = words(ada, own(scene, seq))
    assert "this may not be what the device measured" in said
    assert "like a letter" not in said


def test_what_was_measured_in_the_same_moment_is_reached_from_its_neighbour(client, cast, scene):
    at = round(time.time(), 3)
    first, second = scene.send(71.0, 72.0, at=at)
    (later,) = scene.send(88.0, at=at + 1)
    for role, base in (("patient", "/me"), ("nurse", "")):
        html = sign_in(client, cast[role]).get(f"{base}{scene.url(first)}").content.decode()
        assert f'href="{base}{scene.url(second)}"' in html
        assert f'href="{base}{scene.url(later)}"' not in html, "it came in another frame"


def test_the_proof_that_a_patient_takes_along_leads_to_the_root(ada, scene):
    scene.send(70.0)
    (seq,) = scene.send(71.0)
    sealing.seal_frames(store())
    answer = ada.get(f"{own(scene, seq)}proof/")
    bundle = json.loads(answer.content)
    assert "attachment" in answer["Content-Disposition"]
    assert scene.toy.key.hex() not in answer.content.decode()
    root = bundle["root"]
    path = [bytes.fromhex(node) for node in root["path"]]
    assert leads_to(bytes.fromhex(root["root"]), bytes.fromhex(root["leaf"]), root["index"], root["size"], path)


def test_a_patient_has_only_what_was_measured_while_the_device_was_worn(ada, scene, foreign_patient):
    before, mine = scene.send(70.0, at=time.time() - 40 * 86400)[0], scene.send(71.0)[0]  # worn for a month
    assign_device(device=scene.device, patient=foreign_patient)
    (hers,) = scene.send(72.0)
    assign_device(device=scene.device, patient=None)
    (nobodys,) = scene.send(73.0)
    absent = refusal(ada, own(scene, 999))
    assert absent[0] == 404
    for seq in (before, hers, nobodys):
        for url in (own(scene, seq), f"{own(scene, seq)}proof/"):
            assert refusal(ada, url) == absent, (seq, url)
    assert ada.get(own(scene, mine)).status_code == 200


PAGES = [
    "reading/{device_id}/{sequence}/", "reading/{device_id}/{sequence}/proof/", "alert/{alert_id}/", "dose/{dose_id}/",
    "intake/{intake_id}/", "risk/{dose_id}/", "study/{study_id}/", "look/{look_id}/", "event/{event_id}/",
]  # fmt: skip


def test_what_is_somebody_elses_gets_the_answer_of_what_does_not_exist(client, cast, patient, foreign_patient):
    hers, mine = objects_of(foreign_patient), objects_of(patient)
    ada = sign_in(client, cast["patient"], fresh=True)
    pages = [*PAGES, "event/{event_id}/proof/"]
    absent = refusal(ada, "/me/evidence/event/999999999/")
    assert absent[0] == 404
    for page in pages:
        assert refusal(ada, "/me/evidence/" + page.format(**hers)) == absent, page
    for page in PAGES:
        assert ada.get("/me/evidence/" + page.format(**mine)).status_code == 200, page
    for nothing in (f"{mine['device_id']}/{2**70}", f"{2**70}/1"):
        assert refusal(ada, f"/me/evidence/reading/{nothing}/") == absent
    assert ada.get("/me/evidence/counted/compliance-nothing/").status_code == 404


@pytest.mark.parametrize("role", ["nurse", "physician", "caregiver", "administrator", "trainer", "outsider"])
def test_nobody_else_opens_the_pages_of_a_patient(client, cast, patient, role):
    mine = objects_of(patient)
    sign_in(client, cast[role], fresh=True)
    for page in [*PAGES, "event/{event_id}/proof/", "forecast/", "counted/looks/"]:
        assert client.get("/me/evidence/" + page.format(**mine)).status_code == 404, page


def test_a_house_whose_policy_takes_the_right_away_shows_no_evidence(ada, cast, scene):
    (seq,) = scene.send(71.0)
    assert ada.get(own(scene, seq)).status_code == 200
    without = house_text().replace('"compliance.view_own_record" = "own"\n', "")
    boss, now = cast["administrator"], timezone.now()
    activate(version=put_down(text=without, note="a test", by=boss, now=now), by=boss, now=now)
    assert ada.get(own(scene, seq)).status_code == 404


def test_opening_the_own_evidence_is_noted_and_no_disclosure(ada, cast, patient, scene):
    (seq,) = scene.send(71.0)
    ada.get(own(scene, seq))
    ada.get(f"{own(scene, seq)}proof/")
    noted = AccessRecord.objects.filter(user=cast["patient"], patient=patient).values_list("what", "purpose")
    assert {("evidence", "own"), ("evidence_bundle", "own")} <= set(noted)
    assert not disclosures_of(patient).exists()


def test_an_alert_opens_the_value_that_raised_it(ada, patient, scene):
    at = round(time.time(), 3)
    (seq,) = scene.send(150.0, at=at)
    moment = datetime.fromtimestamp(at, tz=UTC)
    alert = Alert.objects.create(
        patient=patient, device=scene.device, rule="heart_rate_high", metric="heart_rate", priority="high",
        message="Heart rate 150, above 130", event_time=moment, last_seen_at=moment,
    )  # fmt: skip
    said = words(ada, f"/me/evidence/alert/{alert.pk}/")
    assert "This value raised: Heart rate 150" in said
    assert f"{own(scene, seq)}proof/" in ada.get(f"/me/evidence/alert/{alert.pk}/").content.decode()


@pytest.fixture
def look(client, cast, patient) -> AccessRecord:
    sign_in(client, cast["nurse"]).get(f"/patients/{patient.pk}/")
    return AccessRecord.objects.get(user=cast["nurse"], patient=patient, what="patient_page")


def test_a_look_leads_to_the_event_that_the_log_holds_of_it(client, cast, look, settings):
    into_the_log(settings)
    ada, url = sign_in(client, cast["patient"]), f"/me/evidence/look/{look.pk}/"
    assert f'href="{url}"' in ada.get("/me/").content.decode()
    assert "nurse" in words(ada, url)
    assert outcomes(ada, url) == {"holds"}
    Event.objects.filter(pk=event_of_look(look).pk).update(user=cast["physician"])
    assert outcomes(ada, url) == {"missing", "waiting"}, "the event now speaks of somebody else"


def test_a_look_whose_part_was_rewritten_is_told(client, cast, look, settings):
    into_the_log(settings)
    event = event_of_look(look)
    AccessRecord.objects.update(what="orders")
    Event.objects.filter(pk=event.pk).update(detail=event.detail | {"what": "orders"})
    ada = sign_in(client, cast["patient"])
    assert "Do not rely on this" in words(ada, f"/me/evidence/look/{look.pk}/")


def test_a_look_at_a_list_holds_and_says_nothing_of_the_others_on_it(client, cast, patient, ward, settings):
    from tests.conftest import _patient

    other = _patient(ward, "T-002", "Emmy", "Noether")
    sign_in(client, cast["nurse"]).get("/")
    into_the_log(settings)
    looked = AccessRecord.objects.get(user=cast["nurse"], patient=patient, what="ward")
    ada, url = sign_in(client, cast["patient"], fresh=True), f"/me/evidence/look/{looked.pk}/"
    assert outcomes(ada, url) == {"holds"}
    text = ada.get(url).content.decode()
    assert str(other.pk) not in text
    assert "Noether" not in text
    listed = event_of_look(looked)
    assert str(other.pk) in listed.detail["patients"]
    for page in (f"/me/evidence/event/{listed.pk}/", f"/me/evidence/event/{listed.pk}/proof/"):
        assert ada.get(page).status_code == 404, "the record names others"


def test_a_decision_opens_its_event_and_the_proof_needs_a_fresh_second_factor(client, cast, patient, settings):
    ada = sign_in(client, cast["patient"])
    ada.post("/me/uses/training/", {"given": "no", "text_version": TEXT_VERSION})
    into_the_log(settings)
    told = Event.objects.get(code="consent_withdrawn")
    url = f"/me/evidence/event/{told.pk}/"
    assert f'href="{url}"' in ada.get("/me/").content.decode()
    assert outcomes(ada, url) == {"holds"}
    assert ada.get(f"{url}proof/").status_code == 302
    answer = sign_in(client, cast["patient"], fresh=True).get(f"{url}proof/")
    assert json.loads(answer.content)["about"] == {"event": told.pk}


def test_a_count_opens_the_rows_that_were_counted(ada, patient):
    objects_of(patient)
    html = ada.get("/me/").content.decode()
    opened = dict(re.findall(r'href="(/me/evidence/counted/[^"]+)"[^>]*>([\d,]+)<', html))
    assert len(opened) > 20
    for url, count in opened.items():
        if "accessrecord" not in url and "event" not in url and "logentry" not in url:  # opening a page adds to these
            assert f"Counted {count}" in words(ada, url), url


def test_every_link_from_an_own_page_leads_to_an_own_page_that_opens(ada, patient):
    objects_of(patient)
    waiting, seen = {"/me/"}, set()
    while waiting:
        url = waiting.pop()
        seen.add(url)
        if "/proof/" in url:
            continue
        answer = ada.get(url)
        assert answer.status_code == 200, url
        found = {link.split("?")[0] for link in LINK.findall(answer.content.decode())}
        assert all(link.startswith("/me/evidence/") for link in found), (url, found)
        ours = {link.split("/")[3] for link in seen if link != "/me/"}
        waiting |= {link for link in found - seen if link.split("/")[3] not in ours - {"counted"}}  # one of each kind
    kinds = {url.split("/")[3] for url in seen if url != "/me/"}
    assert kinds == {"alert", "counted", "dose", "event", "forecast", "intake", "look", "reading", "risk"} | {
        "image",
        "series",
        "study",
    }


def test_the_newest_rows_stand_for_many(ada, patient):
    now = timezone.now()
    AccessRecord.objects.bulk_create(
        AccessRecord(patient=patient, role="house", what="research_export", purpose="other", at=now - timedelta(n))
        for n in range(30)
    )
    assert "Counted 30; the newest 25 follow" in words(ada, "/me/evidence/counted/looks/")
