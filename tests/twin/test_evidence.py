"""Numbers that are no single reading say what they were made from; alarms lead to the reading that raised them."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from compliance.adherence.fusion import Finding
from compliance.models import Event, EventCategory, Intake, IntakeSource, RiskEstimate, ScheduledDose
from compliance.services.events import record_event
from compliance.services.log import append
from compliance.services.risk import refresh_risk
from devices.models import EnergyUsage
from imaging.models import Study, StudyState, Upload
from imaging.sealing.manifest import FORMAT, Manifest, sign
from tests.conftest import sign_in
from tests.devices.evidence.scene import Scene, into_the_log
from tests.system.objects import objects_of
from twin.alerts.limits import LimitKey, Setting, Side
from twin.alerts.priority import Priority
from twin.models import Alert, AlertLimit, Prediction
from twin.services.limits import set_limits

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(patient) -> Scene:
    return Scene(patient)


@pytest.fixture
def nurse(client, cast):
    return sign_in(client, cast["nurse"])


def words(client, url: str) -> str:
    answer = client.get(url, headers={"HX-Request": "true"})
    assert answer.status_code == 200, url
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def alarm(patient, device, at: float, **more) -> Alert:
    moment = datetime.fromtimestamp(at, tz=UTC)
    known = {"rule": "heart_rate_high", "metric": "heart_rate", "message": "Heart rate 150, above 130"}
    return Alert.objects.create(
        patient=patient, device=device, priority="high", event_time=moment, last_seen_at=moment, **(known | more)
    )


def test_an_alarm_opens_the_reading_that_raised_it(nurse, patient, scene, settings):
    at = time.time()
    scene.send(90.0, at=at - 1)
    scene.send(150.0, at=at)
    into_the_log(settings)
    said = words(nurse, f"/evidence/alert/{alarm(patient, scene.device, round(at, 3)).pk}/")
    assert "This reading raised: Heart rate 150, above 130" in said
    assert "Heart rate 150" in said
    assert "Verified" in said


def test_an_alarm_says_which_limit_raised_it_as_it_held_then(client, nurse, cast, patient, scene):
    key = LimitKey("heart_rate", Side.HIGH, Priority.HIGH)

    def set_to(bound: float | None) -> None:
        chosen = None if bound is None else Setting(key, bound, 5.0)
        set_limits(patient=patient, user=cast["physician"], settings={key: chosen})

    def raised() -> str:
        return f"/evidence/alert/{alarm(patient, scene.device, time.time(), state='resolved').pk}/"

    scene.send(150.0, at=time.time())
    house = raised()
    set_to(140.0)
    own = raised()
    set_to(145.0)
    later = raised()
    set_to(None)
    back = raised()
    for url in (house, back):
        said = words(nurse, url)
        assert "heart_rate_high, high priority" in said
        assert "Heart rate above 130" in said
        assert "the house&#x27;s; NEWS2" in said
    for url, bound in ((own, "140"), (later, "145")):
        said = words(nurse, url)
        assert f"Heart rate above {bound}" in said
        assert f"own, set by {cast['physician'].display_name}, since" in said
    event = Event.objects.filter(code="limits_set").earliest("pk")
    assert f'href="/evidence/event/{event.pk}/"' in nurse.get(own).content.decode()
    assert "Alarm limits were set" in words(nurse, f"/evidence/event/{event.pk}/")


def test_an_own_limit_whose_event_has_gone_is_told_from_its_row(nurse, cast, patient, scene):
    AlertLimit.objects.create(
        patient=patient, metric="heart_rate", side="high", priority="high", bound=141.0, set_by=cast["physician"]
    )
    found = alarm(patient, scene.device, time.time())
    assert "Heart rate above 141" in words(nurse, f"/evidence/alert/{found.pk}/")
    AlertLimit.objects.update(set_at=timezone.now() + timedelta(hours=1))
    assert "Heart rate above 130" in words(nurse, f"/evidence/alert/{found.pk}/"), "it was set after the alarm"


@pytest.mark.parametrize(
    ("rule", "said"),
    [("dose_missed:4", "its time passed without an intake"), ("device_lost", "readings stayed away")],
)
def test_an_alarm_that_no_reading_raised_says_so(nurse, patient, scene, rule, said):
    device = None if rule.startswith("dose") else scene.device
    found = alarm(patient, device, time.time(), rule=rule, metric="", message="Something")
    assert said in words(nurse, f"/evidence/alert/{found.pk}/")


def test_an_intake_leads_to_the_opening_and_closing_of_the_lid(nurse, patient, scene):
    now = timezone.now()
    intake = Intake.objects.create(
        patient=patient, source=IntakeSource.PILLBOX, finding=Finding.TAKEN, confidence=0.998, at=now, recorded_at=now,
        device_id=scene.device.pk, seq=5, last_seq=9, weight_drop_g=0.21,
    )  # fmt: skip
    html = nurse.get(f"/evidence/intake/{intake.pk}/").content.decode()
    assert scene.url(5) in html
    assert scene.url(9) in html
    assert "99.8 %" in html


@pytest.mark.parametrize(
    ("source", "said"),
    [(IntakeSource.MANUAL, "No device measured it"), (IntakeSource.SYNTHETIC, "Made up for the demo")],
)
def test_an_intake_that_nothing_measured_says_so(nurse, patient, source, said):
    now = timezone.now()
    intake = Intake.objects.create(
        patient=patient, source=source, finding=Finding.TAKEN, confidence=1.0, at=now, recorded_at=now
    )
    assert said in words(nurse, f"/evidence/intake/{intake.pk}/")


def test_a_risk_names_its_model_its_weights_and_its_reasons(nurse, patient):
    from compliance.models import RiskEstimate

    named = objects_of(patient)
    RiskEstimate.objects.update(factors=[{"name": "delay", "sentence": "Doses came late lately", "log_odds": 0.4}])
    said = words(nurse, f"/evidence/risk/{named['dose_id']}/")
    assert "Doses came late lately" in said
    assert re.search(r"SHA-256 [0-9a-f]{64}", said)
    assert "made-up histories" in said


def test_the_decisions_of_models_lead_to_their_entries_in_the_log(nurse, patient, settings):
    dose = ScheduledDose.objects.get(pk=objects_of(patient)["dose_id"])
    ScheduledDose.objects.filter(pk=dose.pk).update(state="pending", closes_at=timezone.now() + timedelta(hours=2))
    refresh_risk(patient=patient, now=timezone.now())
    into_the_log(settings)
    said = words(nurse, f"/evidence/risk/{dose.pk}/")
    assert "The estimate is in the transparency log holds" in said
    RiskEstimate.objects.update(probability=0.001)
    assert "Do not rely on this value" in words(nurse, f"/evidence/risk/{dose.pk}/")
    at = timezone.now()
    bands = {name: [100.0 + n] for n, name in enumerate(("low", "middle", "high"))}
    Prediction.objects.update_or_create(
        patient=patient, metric="glucose", defaults={"made_at": at, "step_s": 300, "members": 60, **bands}
    )
    append(kind="glucose_forecast", record={"patient": str(patient.pk), **bands}, patient_id=patient.pk, at=at)
    assert "The forecast is in the transparency log waiting" in words(nurse, f"/evidence/forecast/{patient.pk}/")
    Prediction.objects.update(middle=[140.0])
    assert "Do not rely on this value" in words(nurse, f"/evidence/forecast/{patient.pk}/")


def test_a_dose_leads_to_its_order_its_entry_and_what_was_taken(nurse, patient):
    named = objects_of(patient)
    html = nurse.get(f"/evidence/dose/{named['dose_id']}/").content.decode()
    assert "Ordered" in html
    ordered = Event.objects.get(code="dose_ordered", detail__order=named["order_id"])
    assert f"/evidence/event/{ordered.pk}/" in html
    assert "Withheld" in html
    for days in ("30", "x", "0", "9" * 30, "-1"):
        assert nurse.get(f"/evidence/doses/{patient.pk}/?days={days}").status_code == 200


def test_a_forecast_leads_to_the_newest_readings_it_was_made_from(nurse, patient):
    scene = Scene(patient)
    scene.device.kind = "cgm"
    scene.device.save()
    at = time.time()
    (seq,) = scene.send(112.0, key="glucose", at=at)
    Prediction.objects.create(
        patient=patient, metric="glucose", made_at=datetime.fromtimestamp(round(at, 3), tz=UTC), step_s=300,
        low=[90], middle=[100], high=[110], members=60,
    )  # fmt: skip
    html = nurse.get(f"/evidence/forecast/{patient.pk}/").content.decode()
    assert scene.url(seq) in html
    assert "not a measurement" in html


def test_a_point_of_a_chart_opens_the_nearest_reading(nurse, patient, scene):
    at = time.time()
    scene.send(70.0, at=at - 40)
    scene.send(75.0, at=at - 20)
    assert "Heart rate 75" in words(nurse, f"/evidence/near/{patient.pk}/?metric=heart_rate&t={at - 25}")


@pytest.mark.parametrize(
    "query", ["", "metric=heart_rate", "metric=nonsense&t=5", "metric=heart_rate&t=nan", "metric=heart_rate&t=5"]
)
def test_a_point_where_nothing_was_measured_has_no_evidence(nurse, patient, scene, query):
    scene.send(70.0)
    assert nurse.get(f"/evidence/near/{patient.pk}/?{query}").status_code == 404


def sealed_study(patient, scene, key: Ed25519PrivateKey, named=None) -> Study:
    scene.gateway.public_key = key.public_key().public_bytes_raw()
    scene.gateway.save()
    study = Study.objects.create(patient=patient, gateway=scene.gateway, content="dicom", state=StudyState.READY)
    manifest = Manifest(
        format=FORMAT, study=study.pk, gateway=scene.gateway.pk, patient=named, content="dicom", urgency="routine",
        synthetic=True, sealed_at=1.7e9, files=1, package_bytes=10, sealed_bytes=26, chunks=("ab" * 32,),
        hospital_key="cd" * 16, wrapped_key="ef" * 32,
    )  # fmt: skip
    raw = manifest.encode()
    Upload.objects.create(
        id=study.pk, gateway=scene.gateway, manifest=raw, signature=sign(raw, key), pieces=1, sealed_bytes=26
    )
    return study


def test_images_show_who_signed_and_sealed_them(nurse, patient, scene, settings):
    study = sealed_study(patient, scene, Ed25519PrivateKey.generate(), named=patient.pk)
    record_event(
        category=EventCategory.OPERATION, code="study_received", message="A sealed study arrived.", patient=patient,
        detail={"study": str(study.pk)},
    )  # fmt: skip
    into_the_log(settings)
    said = words(nurse, f"/evidence/study/{study.pk}/")
    assert "Verified" in said
    assert "cd" * 16 in said


def test_images_whose_manifest_was_changed_are_told(nurse, patient, scene):
    study = sealed_study(patient, scene, Ed25519PrivateKey.generate(), named=patient.pk)
    upload = Upload.objects.get(pk=study.pk)
    changed = json.loads(bytes(upload.manifest)) | {"sealed_at": 1.6e9}
    Upload.objects.filter(pk=study.pk).update(manifest=json.dumps(changed).encode())
    assert "Do not rely on this value" in words(nurse, f"/evidence/study/{study.pk}/")


def test_images_of_somebody_else_are_told(nurse, patient, foreign_patient, scene):
    study = sealed_study(patient, scene, Ed25519PrivateKey.generate(), named=foreign_patient.pk)
    assert "The manifest names somebody else" in words(nurse, f"/evidence/study/{study.pk}/")


def test_energy_shows_the_rows_behind_it(nurse, patient, scene):
    EnergyUsage.objects.create(
        device=scene.device, hop="device", link="ble", starts_at=timezone.now() - timedelta(minutes=2), patient=patient,
        ward=patient.ward, messages=12, readings=20, payload_bytes=300, overhead_bytes=36, radio_j=0.002, cpu_j=0.001,
        security_j=0.0005,
    )  # fmt: skip
    assert "12 messages, 336 B, 3 mJ" in words(nurse, f"/evidence/energy/{scene.device.pk}/")


def test_the_charge_of_a_battery_opens_its_reading(nurse, patient):
    scene = Scene(patient)
    (seq,) = scene.send(81.0, key="battery")
    for page in ("/devices/", f"/devices/{scene.device.pk}/"):
        assert re.search(
            rf'href="{scene.url(seq)}" data-number data-evidence[^>]*>81 %<', nurse.get(page).content.decode()
        )
