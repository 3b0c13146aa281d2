"""The ward board and the patient twin as served: who sees what, in which order, and what disappears."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.utils import timezone

from devices.kinds.registry import by_key
from devices.models import Device, Gateway
from devices.telemetry.batch import READING, ReadingBatch

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def sign_in(client, cast):
    def sign_in(role: str):
        client.force_login(cast[role], backend=BACKEND)
        return client

    return sign_in


def make_device(patient, kind: str = "vital_signs_monitor", label: str = "Monitor") -> Device:
    gateway, _ = Gateway.objects.get_or_create(name="room-1", ward=patient.ward, defaults={"public_key": bytes(32)})
    count = Device.objects.count()
    return Device.objects.create(
        serial=f"S{count}", kind=kind, label=label, gateway=gateway, patient=patient, key_sealed=b"sealed"
    )


def store_readings(device: Device, key: str, values: list[tuple[float, float]], received: float | None = None) -> None:
    """Store (seconds ago, value) pairs; the sequence numbers follow their order."""
    from devices.services.telemetry import store

    now = time.time()
    first = 1 + max((reading.seq for reading in store().latest([device.pk])), default=0)
    rows = [(device.pk, by_key(key).code, first + i, now - ago, value) for i, (ago, value) in enumerate(values)]
    store().write(ReadingBatch(np.array(rows, dtype=READING), received_at=received or now))


def raise_alert(patient, priority: str, message: str, *, minutes_ago: float = 1, state: str = "open", **more):
    from twin.models import Alert

    at = timezone.now() - timedelta(minutes=minutes_ago)
    times = {"raised_at": at, "opened_at": at, "event_time": at, "last_seen_at": at}
    return Alert.objects.create(
        patient=patient, rule=message.lower(), priority=priority, message=message, state=state, **times, **more
    )


def neighbour(patient, number: str, family: str, bed: str):
    from compliance.models import Patient

    return Patient.objects.create(
        medical_record_number=number,
        given_name="N",
        family_name=family,
        birth_date=patient.birth_date,
        ward=patient.ward,
        bed=bed,
    )


def names_in_order(html: str) -> list[str]:
    return re.findall(r'data-name="([^"]+)"', html)


def test_ward_lists_patients_of_the_readers_wards_only(sign_in, patient, foreign_patient) -> None:
    html = sign_in("nurse").get("/").content.decode()
    assert "Ada Byron" in html
    assert "Somerville" not in html


def test_ward_and_its_parts_refuse_the_outsider(sign_in) -> None:
    client = sign_in("outsider")
    for url in ("/", "/ward/rows/", "/ward/strip/", "/ward/sparks/"):
        assert client.get(url).status_code == 403, url


def test_patient_pages_answer_404_for_a_patient_of_another_ward(sign_in, foreign_patient) -> None:
    client = sign_in("physician")
    page = f"/patients/{foreign_patient.pk}/"
    for url in (
        page,
        page + "history/?keys=heart_rate&from=0&to=9",
        page + "panels/devices/",
        page + "panels/timeline/",
    ):
        assert client.get(url).status_code == 404, url
    assert client.get(f"/ward/rows/{foreign_patient.pk}/").status_code == 404


def test_rows_are_sorted_by_urgency_then_waiting_time_then_bed(sign_in, patient) -> None:
    calm_far = neighbour(patient, "T-5", "Far", "4-10")
    medium, waited = neighbour(patient, "T-2", "Medium", "4-7"), neighbour(patient, "T-3", "Waited", "4-8")
    handled, high = neighbour(patient, "T-4", "Handled", "4-2"), neighbour(patient, "T-6", "High", "4-9")
    raise_alert(medium, "medium", "Glucose low", minutes_ago=2)
    raise_alert(waited, "medium", "Heart rate high", minutes_ago=9)
    raise_alert(handled, "high", "Seen by somebody", state="acknowledged")
    raise_alert(high, "high", "SpO2 low")
    order = names_in_order(sign_in("nurse").get("/").content.decode())
    assert order == ["N High", "N Waited", "N Medium", "N Handled", "Ada Byron", f"N {calm_far.family_name}"]


def test_resolved_alerts_leave_the_board(sign_in, patient) -> None:
    raise_alert(patient, "high", "SpO2 low", state="resolved", resolved_at=timezone.now())
    html = sign_in("nurse").get("/").content.decode()
    assert "SpO2 low" not in html
    assert "No open alarms" in html


def test_board_asks_the_database_as_often_for_many_patients_as_for_one(
    sign_in, patient, django_assert_num_queries
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = sign_in("nurse")
    store_readings(make_device(patient), "heart_rate", [(1, 70)])
    raise_alert(patient, "high", "SpO2 low")
    client.get("/")
    with CaptureQueriesContext(connection) as one:
        client.get("/")
    for number in range(6):
        another = neighbour(patient, f"T-{10 + number}", f"P{number}", f"5-{number}")
        store_readings(make_device(another), "heart_rate", [(1, 70)])
        raise_alert(another, "medium", "Glucose low")
    with django_assert_num_queries(len(one)):
        client.get("/")


def test_fresh_value_is_shown_with_its_unit(sign_in, patient) -> None:
    store_readings(make_device(patient), "heart_rate", [(2, 71)])
    html = sign_in("nurse").get("/").content.decode()
    assert re.search(r'data-shown>71</span> <span class="unit">/min', html)


def test_stale_value_disappears(sign_in, patient) -> None:
    store_readings(make_device(patient), "heart_rate", [(600, 71)])
    html = sign_in("nurse").get("/").content.decode()
    assert "data-shown>71<" not in html
    assert 'class="tile stale"' in html


def test_alarming_metric_comes_first_among_the_tiles(sign_in, patient) -> None:
    device = make_device(patient)
    for key, value in (("heart_rate", 71), ("spo2", 97), ("respiration_rate", 15), ("temperature", 39.4)):
        store_readings(device, key, [(1, value)])
    raise_alert(patient, "medium", "Temperature 39.4", metric="temperature")
    row = sign_in("nurse").get(f"/ward/rows/{patient.pk}/").content.decode()
    assert re.findall(r'data-metric="(\w+)"', row) == ["temperature", "heart_rate", "spo2"]


def test_trainer_sees_the_alarm_but_no_way_to_silence_it(sign_in, patient) -> None:
    raise_alert(patient, "high", "SpO2 low")
    assert "data-acknowledge" in sign_in("nurse").get("/").content.decode()
    html = sign_in("trainer").get("/").content.decode()
    assert "SpO2 low" in html
    assert "data-acknowledge" not in html


def test_next_dose_is_shown_to_the_nurse_and_not_to_the_administrator(sign_in, patient) -> None:
    from compliance.models import Medication, Regimen, ScheduledDose

    now = timezone.now()
    medication = Medication.objects.create(name="Metformin", strength="500 mg", unit_weight_g=0.6)
    regimen = Regimen.objects.create(patient=patient, medication=medication, times=["08:00"], starts_on=now.date())
    hour = timedelta(hours=1)
    ScheduledDose.objects.create(
        regimen=regimen,
        patient=patient,
        due_at=now + hour,
        opens_at=now,
        closes_at=now + 2 * hour,
        local_date=now.date(),
        changed_at=now,
    )
    local = (now + hour).astimezone(ZoneInfo(patient.time_zone))
    nurse = sign_in("nurse").get("/").content.decode()
    assert re.search(rf"Metformin due <time[^>]*>{local:%H:%M}<", nurse)  # by the patient's clock
    assert "Metformin" not in sign_in("administrator").get("/").content.decode()


def test_board_names_silent_gateways(sign_in, patient) -> None:
    device = make_device(patient)
    Gateway.objects.filter(pk=device.gateway_id).update(last_seen_at=timezone.now() - timedelta(minutes=5))
    assert "Gateway room-1 is down, last heard" in sign_in("nurse").get("/").content.decode()


def test_board_counts_gateways_that_are_connected(sign_in, patient) -> None:
    device = make_device(patient)
    client = sign_in("nurse")
    assert "connected</span>" not in client.get("/ward/strip/").content.decode()  # never heard: says nothing
    Gateway.objects.filter(pk=device.gateway_id).update(last_seen_at=timezone.now())
    assert "1 gateway connected" in client.get("/ward/strip/").content.decode()


def test_caregiver_reads_one_large_state_and_the_last_alarm(sign_in, patient) -> None:
    store_readings(make_device(patient), "heart_rate", [(1, 70.0)])
    over = {"state": "resolved", "resolved_at": timezone.now() - timedelta(minutes=5)}
    raise_alert(patient, "high", "Pump line is blocked", minutes_ago=9, **over)
    html = sign_in("caregiver").get("/").content.decode()
    assert "All well" in html
    assert "Last alarm" in html
    assert "Pump line is blocked" in html
    raise_alert(patient, "high", "Glucose 50 mg/dL, below 54")
    html = sign_in("caregiver").get("/").content.decode()
    assert "All well" not in html
    assert ">I am on it</button>" in html


def test_caregiver_is_not_told_that_all_is_well_when_nothing_is_heard(sign_in, patient) -> None:
    device = make_device(patient)
    assert "Nothing heard yet" in sign_in("caregiver").get("/").content.decode()
    store_readings(device, "heart_rate", [(4000, 70.0)], received=time.time() - 4000)
    html = sign_in("caregiver").get("/").content.decode()
    assert "All well" not in html
    assert "No alarms" in html


def test_empty_ward_says_so(client, make_user, other_ward) -> None:
    client.force_login(make_user("nurse", ward=other_ward), backend=BACKEND)
    assert "No patients are in your care." in client.get("/").content.decode()


def test_cursors_start_at_the_newest_reading_of_each_device(sign_in, patient) -> None:
    device = make_device(patient)
    store_readings(device, "heart_rate", [(3, 70), (2, 71), (1, 72)])
    html = sign_in("nurse").get("/").content.decode()
    assert f'<script id="cursors" type="application/json">{{"{device.pk}": 3}}</script>' in html


def test_sparks_hold_three_hours_of_what_is_on_the_board(sign_in, patient) -> None:
    device = make_device(patient)
    store_readings(device, "heart_rate", [(4 * 3600, 99), (3600, 70), (60, 72)])
    sparks = sign_in("nurse").get("/ward/sparks/").json()
    assert [value for _, value in sparks[str(patient.pk)]["heart_rate"]] == [70, 72]


def test_history_returns_series_in_order_and_marks_late_readings(sign_in, patient) -> None:
    now = time.time()
    device = make_device(patient)
    store_readings(device, "heart_rate", [(900, 80), (800, 82)], received=now)
    store_readings(device, "heart_rate", [(2, 70)], received=now)
    url = f"/patients/{patient.pk}/history/?keys=heart_rate,spo2&from={now - 3600}&to={now + 1}"
    series = sign_in("nurse").get(url).json()["series"]
    assert [(value, late) for _, value, late in series["heart_rate"]] == [(80, 1), (82, 1), (70, 0)]
    assert series["spo2"] == []


def test_history_keeps_a_single_excursion_among_many_readings(sign_in, patient) -> None:
    now = time.time()
    values = [(3600 - i, 180.0 if i == 1500 else 70.0) for i in range(3600)]
    store_readings(make_device(patient), "heart_rate", values)
    url = f"/patients/{patient.pk}/history/?keys=heart_rate&from={now - 86400}&to={now + 1}"
    points = sign_in("nurse").get(url).json()["series"]["heart_rate"]
    assert len(points) < 1300
    assert max(value for _, value, _ in points) == 180


@pytest.mark.parametrize(
    "query",
    [
        "",
        "keys=heart_rate",
        "keys=heart_rate&from=5&to=5",
        "keys=heart_rate&from=9&to=5",
        "keys=heart_rate&from=nan&to=5",
        "keys=heart_rate&from=0&to=9e9",
        "keys=heart_rate&from=x&to=5",
        "keys=nonsense&from=0&to=5",
        "keys=ecg&from=0&to=5",
        "keys=&from=0&to=5",
    ],
)
def test_history_refuses_a_wrong_window(sign_in, patient, query: str) -> None:
    response = sign_in("nurse").get(f"/patients/{patient.pk}/history/?{query}", headers={"accept": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"] == "history_window_wrong"


def test_history_tells_which_alarms_held(sign_in, patient) -> None:
    now = time.time()
    held = raise_alert(patient, "high", "SpO2 low", minutes_ago=30)
    over = timezone.now() - timedelta(hours=4)
    raise_alert(patient, "low", "Long over", minutes_ago=300, state="resolved", resolved_at=over)
    url = f"/patients/{patient.pk}/history/?keys=spo2&from={now - 3600}&to={now}"
    assert [alarm["id"] for alarm in sign_in("nurse").get(url).json()["alarms"]] == [held.pk]


def test_patient_page_offers_each_role_its_panels_only(sign_in, patient) -> None:
    page = f"/patients/{patient.pk}/"
    nurse = sign_in("nurse").get(page).content.decode()
    assert all(f'data-panel="{name}"' in nurse for name in ("alerts", "medication", "images", "devices", "timeline"))
    assert "What if?" not in nurse
    administrator = sign_in("administrator").get(page).content.decode()
    assert 'data-panel="medication"' not in administrator
    assert 'data-panel="images"' not in administrator
    assert "What if?" in sign_in("trainer").get(page).content.decode()


def test_patient_page_draws_strips_for_what_is_measured_with_the_limits_as_band(sign_in, patient) -> None:
    make_device(patient, "cgm", "Sensor")
    response = sign_in("nurse").get(f"/patients/{patient.pk}/")
    strips = {strip["label"]: strip for strip in response.context["strips"]}
    assert set(strips) == {"Glucose", "Alarms"}
    assert strips["Glucose"]["band"] == (70, 250)
    assert 'id="ecg"' not in response.content.decode()


def test_blood_pressure_is_one_tile_of_two_numbers(sign_in, patient) -> None:
    device = make_device(patient)
    store_readings(device, "bp_systolic", [(5, 128)])
    store_readings(device, "bp_diastolic", [(5, 76)])
    assert "data-shown>128/76<" in sign_in("nurse").get(f"/patients/{patient.pk}/").content.decode()


def test_devices_panel_says_who_is_heard_and_who_is_not(sign_in, patient) -> None:
    store_readings(make_device(patient, label="Bedside"), "heart_rate", [(1, 70)])
    make_device(patient, "smart_pillbox", "Pillbox")
    html = sign_in("administrator").get(f"/patients/{patient.pk}/panels/devices/").content.decode()
    states = re.findall(r"<strong>(\w+)</strong>.*?dot (\w*)\"></span> ([\w ]+?) <", html, re.S)
    assert states == [("Bedside", "", "connected"), ("Pillbox", "off", "not heard")]


def test_devices_panel_names_links_in_words(sign_in, patient) -> None:
    make_device(patient)
    html = sign_in("nurse").get(f"/patients/{patient.pk}/panels/devices/").content.decode()
    assert "Bluetooth LE" in html
    assert "Wi-Fi" in html


def test_every_page_of_the_reader_is_in_the_menu_of_a_phone(sign_in, patient) -> None:
    html = sign_in("nurse").get("/").content.decode()
    assert re.search(r'<button[^>]+popovertarget="pages"', html)
    assert re.search(r'<nav[^>]+id="pages"[^>]+popover>', html)


def test_quarantined_device_is_marked_in_words(sign_in, patient) -> None:
    device = make_device(patient)
    Device.objects.filter(pk=device.pk).update(state="quarantined")
    html = sign_in("nurse").get(f"/patients/{patient.pk}/panels/devices/").content.decode()
    assert "quarantined: its readings are refused" in html


def test_timeline_hides_clinical_events_from_the_administrator(sign_in, patient) -> None:
    from compliance.models import EventCategory
    from compliance.services.events import record_event

    record_event(category=EventCategory.CLINICAL, code="dose_taken", message="Evening dose seen.", patient=patient)
    record_event(category=EventCategory.SECURITY, code="frame_forged", message="A frame was refused.", patient=patient)
    raise_alert(patient, "medium", "Glucose low")
    url = f"/patients/{patient.pk}/panels/timeline/"
    nurse = sign_in("nurse").get(url).content.decode()
    assert all(words in nurse for words in ("Evening dose seen.", "A frame was refused.", "Glucose low"))
    administrator = sign_in("administrator").get(url).content.decode()
    assert "Evening dose seen." not in administrator
    assert "A frame was refused." in administrator


def test_timeline_makes_one_line_of_the_same_fact_again_and_again(sign_in, patient) -> None:
    from compliance.models import Event

    for minutes in (1, 2, 3):
        at = timezone.now() - timedelta(seconds=minutes)
        Event.objects.create(category="security", code="x", message="A frame was refused.", patient=patient, at=at)
    html = sign_in("nurse").get(f"/patients/{patient.pk}/panels/timeline/").content.decode()
    assert html.count("A frame was refused.") == 1
    assert "3 times" in html


def test_timeline_folds_facts_that_take_turns_and_tells_the_patients_time(sign_in, patient) -> None:
    from compliance.models import Event

    patient.time_zone = "Asia/Tokyo"
    patient.save(update_fields=["time_zone"])
    noon = timezone.now().replace(hour=3, minute=5) - timedelta(days=1)  # five past twelve in Tokyo
    for minute in range(4):
        at = noon - timedelta(minutes=minute)
        Event.objects.create(category="security", code="x", message=f"Fact {minute % 2}.", patient=patient, at=at)
    html = sign_in("nurse").get(f"/patients/{patient.pk}/panels/timeline/").content.decode()
    assert [html.count(f"Fact {n}.") for n in range(2)] == [1, 1]
    assert html.count("2 times") == 2
    assert ">12:05<" in html


def test_pages_carry_nothing_that_the_content_policy_would_block(sign_in, patient) -> None:
    raise_alert(patient, "high", "SpO2 low")
    store_readings(make_device(patient), "heart_rate", [(1, 70)])
    client = sign_in("physician")
    page = f"/patients/{patient.pk}/"
    for url in ("/", page, page + "panels/devices/", page + "panels/timeline/"):
        html = client.get(url).content.decode()
        assert not re.search(r"<[^>]+\sstyle=", html), url
        assert not re.search(r"<[^>]+\son\w+=", html), url
        scripts = re.findall(r"<script([^>]*)>", html)
        assert all("src=" in tag or "application/json" in tag for tag in scripts), url
        assert "https://" not in html, url


def test_names_and_record_numbers_stay_out_of_addresses(sign_in, patient) -> None:
    html = sign_in("nurse").get("/").content.decode()
    addresses = re.findall(r'(?:href|action|src|hx-\w+)="([^"]+)"', html)
    assert any(str(patient.pk) in address for address in addresses)
    assert not any("byron" in address.lower() or "T-001" in address for address in addresses)


def test_sign_in_page_says_what_was_wrong_and_lets_the_right_password_in(client, cast) -> None:
    page = "/account/login/"
    wrong = client.post(page, {"login": "nurse", "password": "wrong words"})
    assert 'role="alert"' in wrong.content.decode()
    right = client.post(page, {"login": "nurse", "password": "correct horse battery"})
    assert (right.status_code, right["Location"]) == (302, "/")


def test_error_page_says_what_to_do_next(sign_in, foreign_patient) -> None:
    response = sign_in("nurse").get(f"/patients/{foreign_patient.pk}/", headers={"accept": "text/html"})
    assert response.status_code == 404
    assert "Back to the ward" in response.content.decode()
    assert "not_found" in response.content.decode()


def test_current_page_is_marked_in_the_navigation(sign_in, patient) -> None:
    client = sign_in("nurse")
    for url in ("/", f"/patients/{patient.pk}/"):
        assert re.findall(r'href="([^"]+)" aria-current="page"', client.get(url).content.decode()) == ["/"]
