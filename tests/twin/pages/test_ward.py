"""The ward board as served: who is on it, in which order, and what disappears."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from devices.models import Gateway
from tests.conftest import SIGN_IN_BACKEND
from tests.twin.pages.scene import make_device, names_in_order, neighbour, raise_alert, store_readings


def test_ward_lists_patients_of_the_readers_wards_only(sign_in, patient, foreign_patient) -> None:
    html = sign_in("nurse").get("/").content.decode()
    assert "Ada Byron" in html
    assert "Somerville" not in html


def test_ward_and_its_parts_refuse_the_outsider(sign_in) -> None:
    client = sign_in("outsider")
    for url in ("/", "/ward/rows/", "/ward/strip/", "/ward/sparks/"):
        assert client.get(url).status_code == 403, url


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
    with CaptureQueriesContext(connection) as captured:
        client.get("/")
    one = len(captured)
    for number in range(6):
        another = neighbour(patient, f"T-{10 + number}", f"P{number}", f"5-{number}")
        store_readings(make_device(another), "heart_rate", [(1, 70)])
        raise_alert(another, "medium", "Glucose low")
    client.get("/")  # notes once that the new names were read
    with django_assert_num_queries(one):
        client.get("/")


def test_fresh_value_is_shown_with_its_unit(sign_in, patient) -> None:
    store_readings(make_device(patient), "heart_rate", [(2, 71)])
    html = sign_in("nurse").get("/").content.decode()
    assert re.search(r'data-shown>71</a> <span class="unit">/min', html)


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
    client.force_login(make_user("nurse", ward=other_ward), backend=SIGN_IN_BACKEND)
    assert "No patients are in your care." in client.get("/").content.decode()


def test_cursors_start_at_the_newest_reading_of_each_device(sign_in, patient) -> None:
    device = make_device(patient)
    store_readings(device, "heart_rate", [(3, 70), (2, 71), (1, 72)])
    html = sign_in("nurse").get("/").content.decode()
    assert f'<script id="cursors" type="application/json">{{"{device.pk}": 3}}</script>' in html


def test_rows_below_the_first_screen_are_brief_until_they_are_asked_for(sign_in, patient, monkeypatch) -> None:
    monkeypatch.setattr("twin.selectors.board.WHOLE_ROWS", 0)
    store_readings(make_device(patient), "heart_rate", [(2, 71)])
    reader = sign_in("nurse")
    brief = reader.get("/").content.decode()
    assert "data-brief" in brief
    assert patient.name in brief
    assert "data-tile" not in brief
    monkeypatch.undo()
    whole = reader.get(f"/ward/whole/?patient={patient.pk}").content.decode()
    assert "data-brief" not in whole
    assert 'data-metric="heart_rate"' in whole


def test_whole_rows_and_sparks_of_others_are_not_answered(sign_in, foreign_patient) -> None:
    reader = sign_in("nurse")
    assert reader.get(f"/ward/whole/?patient={foreign_patient.pk}").content.strip() == b""
    assert reader.get(f"/ward/sparks/?patient={foreign_patient.pk}").json() == {}
    assert reader.get("/ward/sparks/?patient=nobody").status_code == 404


def test_sparks_hold_three_hours_of_what_is_on_the_board(sign_in, patient) -> None:
    device = make_device(patient)
    store_readings(device, "heart_rate", [(4 * 3600, 99), (3600, 70), (60, 72)])
    sparks = sign_in("nurse").get(f"/ward/sparks/?patient={patient.pk}").json()
    assert [value for _, value in sparks[str(patient.pk)]["heart_rate"]] == [70, 72]


def test_sparks_of_many_patients_are_those_of_each_and_one_question(sign_in, patient, monkeypatch) -> None:
    from devices.services.telemetry import store

    other = neighbour(patient, "T-2", "Other", "4-7")
    for who, first in ((patient, 60.0), (other, 90.0)):
        device = make_device(who)
        store_readings(device, "heart_rate", [(9000 - 30 * n, first + n % 7) for n in range(300)])
        store_readings(device, "spo2", [(9000 - 30 * n, 90 + n % 9) for n in range(300)])
    questions, lines = [], store().lines
    monkeypatch.setattr(store(), "lines", lambda *asked: questions.append(asked) or lines(*asked))
    nurse, now = sign_in("nurse"), time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    each = {}
    for who in (patient, other):
        each |= nurse.get(f"/ward/sparks/?patient={who.pk}").json()
    questions.clear()
    both = nurse.get(f"/ward/sparks/?patient={patient.pk}&patient={other.pk}").json()
    assert both == each
    assert len(questions) == 1
    assert {key: 60 < len(line) <= 120 for key, line in both[str(other.pk)].items()} == {
        "heart_rate": True,
        "spo2": True,
    }
