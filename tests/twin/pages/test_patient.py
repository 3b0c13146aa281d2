"""One patient's page as served: panels by role, strips, tiles and devices."""

from __future__ import annotations

import re

from devices.models import Device
from tests.twin.pages.scene import make_device, store_readings


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


def test_quarantined_device_is_marked_in_words(sign_in, patient) -> None:
    device = make_device(patient)
    Device.objects.filter(pk=device.pk).update(state="quarantined")
    html = sign_in("nurse").get(f"/patients/{patient.pk}/panels/devices/").content.decode()
    assert "quarantined: its readings are refused" in html
