"""Alarm limits from a device's page: default beside own, back to default, undone, and in force without a restart."""

from __future__ import annotations

import time

import pytest
from django.urls import reverse

from compliance.models import Event, LogEntry
from tests.conftest import sign_in
from twin.alerts.limits import LimitKey, Setting, Side
from twin.alerts.priority import Priority
from twin.forms import LimitsForm
from twin.models import Alert, AlertLimit
from twin.selectors.limits import limits_of, own_settings
from twin.services.limits import LimitsChangedMeanwhile, set_limits

pytestmark = pytest.mark.django_db
LOW = "bound-glucose-low-medium"


@pytest.fixture
def admin(fresh_client, cast):
    return fresh_client(cast["administrator"])


def place(device) -> str:
    return reverse("twin:device_limits", args=[device.pk])


def seen(device) -> str:
    """Return what a page that is opened now carries along."""
    return LimitsForm(limits_of(device), own_settings(device.patient)).token


def post(client, device, **what):
    return client.post(place(device), {"wearer": str(device.patient_id), "seen": seen(device)} | what)


def own() -> dict[tuple[str, str, str], tuple[float, float]]:
    rows = AlertLimit.objects.values_list("metric", "side", "priority", "bound", "delay_s")
    return {(metric, side, priority): (bound, delay) for metric, side, priority, bound, delay in rows}


def test_an_own_limit_stands_beside_the_default_and_alarms_without_a_restart(admin, cast, cgm, watch, batch_of) -> None:
    watch.receive(batch_of((cgm, "glucose", time.time() - 60, 85.0)))
    assert not Alert.objects.exists()
    page = admin.get(place(cgm)).content.decode()
    assert "Default of the house: 70 mg/dL, at once." in page
    assert "Own value." not in page
    assert "Battery" in page
    assert "Heart rate" not in page  # another device's
    assert post(admin, cgm, **{LOW: "90"}).status_code == 302
    watch.reload()  # what `RELOAD_S` does by itself
    watch.receive(batch_of((cgm, "glucose", time.time(), 85.0)))
    assert Alert.objects.get().rule == "glucose_low"
    assert "Own value." in admin.get(place(cgm)).content.decode()


def test_who_old_and_new_are_in_the_log(admin, cast, cgm, patient) -> None:
    post(admin, cgm, **{LOW: "80"})
    post(admin, cgm, **{LOW: "75", "delay-glucose-low-medium": "30"})
    newest = Event.objects.filter(code="limits_set").order_by("-pk")[0]
    assert (newest.user, newest.patient, newest.device_id) == (cast["administrator"], patient, cgm.pk)
    assert newest.detail == {"changes": [{"limit": "glucose low medium", "from": [80.0, 0.0], "to": [75.0, 30.0]}]}
    assert LogEntry.objects.filter(event_id=newest.pk).exists()
    page = admin.get(place(cgm)).content.decode()
    assert "Glucose below (medium): 80 mg/dL at once, now 75 mg/dL for 30 s" in page
    assert "Glucose below (medium): the house&#x27;s, now 80 mg/dL at once" in page


def test_back_to_default_takes_one_limit_and_leaves_the_others(admin, cgm) -> None:
    post(admin, cgm, **{LOW: "80", "bound-glucose-high-medium": "240"})
    assert post(admin, cgm, default="glucose-low-medium").status_code == 302
    assert own() == {("glucose", "high", "medium"): (240.0, 900.0)}
    assert post(admin, cgm, default="heart_rate-low-high").status_code == 400  # no measurement of this device


def test_undo_puts_back_what_held_and_is_a_change_of_its_own(admin, cgm) -> None:
    post(admin, cgm, **{LOW: "80"})
    post(admin, cgm, **{LOW: "75"})
    second = Event.objects.filter(code="limits_set").order_by("-pk")[0]
    assert post(admin, cgm, undo=str(second.pk)).status_code == 302
    assert own() == {("glucose", "low", "medium"): (80.0, 0.0)}
    third = Event.objects.filter(code="limits_set").order_by("-pk")[0]
    assert third.detail["undoes"] == second.pk
    assert post(admin, cgm, undo=str(third.pk)).status_code == 302  # an undo can be undone
    assert own() == {("glucose", "low", "medium"): (75.0, 0.0)}


def test_what_was_changed_again_since_is_not_undone(admin, cgm) -> None:
    post(admin, cgm, **{LOW: "80"})
    first = Event.objects.get(code="limits_set")
    post(admin, cgm, **{LOW: "75"})
    answer = post(admin, cgm, undo=str(first.pk))
    assert answer.status_code == 400
    assert "it was changed again since" in answer.content.decode()
    assert own() == {("glucose", "low", "medium"): (75.0, 0.0)}
    assert post(admin, cgm, undo="0").status_code == 400


@pytest.mark.parametrize(
    ("value", "words"),
    [("2", "lies between 10 and 1000"), ("40", "must lie above"), ("300", "must lie above"), ("nan", "Enter a number")],
)
def test_what_cannot_hold_together_is_refused_beside_its_field(admin, cgm, value, words) -> None:
    answer = post(admin, cgm, **{LOW: value})
    assert (answer.status_code, own()) == (400, {})
    assert words in answer.content.decode()


def test_what_was_seen_of_another_wearer_is_not_saved_for_the_next(admin, cgm, foreign_patient, patient) -> None:
    answer = admin.post(place(cgm), {"wearer": str(foreign_patient.pk), LOW: "80"})
    assert (answer.status_code, own()) == (409, {})
    assert "changed hands" in answer.content.decode()


def test_a_device_that_nobody_wears_has_none(admin, make_device) -> None:
    spare = make_device(serial="S-2", patient=None)
    assert "Nobody wears it" in admin.get(place(spare)).content.decode()


def test_physicians_set_them_there_too_and_nobody_else_does(client, cast, cgm) -> None:
    sign_in(client, cast["physician"])
    assert post(client, cgm, **{LOW: "80"}).status_code == 302
    assert "Alarm limits of what it measures" in client.get(f"/devices/{cgm.pk}/").content.decode()
    for role in ("nurse", "caregiver", "trainer", "patient", "outsider"):
        sign_in(client, cast[role])
        assert post(client, cgm, **{LOW: "75"}).status_code in {403, 404}
    assert own() == {("glucose", "low", "medium"): (80.0, 0.0)}


def test_an_administrator_proves_a_second_factor_first(client, cast, cgm) -> None:
    sign_in(client, cast["administrator"])
    for url in (place(cgm), reverse("twin:limits", args=[cgm.patient_id])):
        assert "step-up" in client.get(url)["Location"]
        assert "step-up" in client.post(url, {"wearer": str(cgm.patient_id), LOW: "80"})["Location"]
    assert own() == {}


def test_a_device_of_another_ward_is_not_there(admin, make_device, foreign_patient, other_ward) -> None:
    from devices.models import Gateway

    far = Gateway.objects.create(name="Far", ward=other_ward, public_key=b"\1" * 32)
    theirs = make_device(serial="S-9", gateway=far, patient=foreign_patient)
    assert admin.get(place(theirs)).status_code == 404


GLUCOSE_LOW = LimitKey("glucose", Side.LOW, Priority.MEDIUM)


def test_an_old_page_takes_no_limit_that_it_never_showed(admin, cast, cgm, patient) -> None:
    opened = seen(cgm)
    set_limits(patient=patient, user=cast["physician"], settings={GLUCOSE_LOW: Setting(GLUCOSE_LOW, 80.0, 0.0)})
    answer = post(admin, cgm, seen=opened, **{"bound-glucose-high-medium": "240"})
    assert (answer.status_code, own()) == (409, {("glucose", "low", "medium"): (80.0, 0.0)})
    page = answer.content.decode()
    assert "Nothing was saved: limits were changed while this page was open." in page
    assert "Glucose below (medium): the house&#x27;s, now 80 mg/dL at once" in page
    form = answer.context["form"]
    assert form["bound-glucose-high-medium"].value() == "240"  # what was typed stays
    assert form[LOW].value() == "80"  # what was not touched shows what holds now
    again = {name: form[name].value() or "" for name in form.fields}
    assert post(admin, cgm, **again).status_code == 302
    assert own() == {("glucose", "low", "medium"): (80.0, 0.0), ("glucose", "high", "medium"): (240.0, 900.0)}


def test_what_was_typed_over_a_limit_that_changed_meanwhile_stays_typed(admin, cast, cgm, patient) -> None:
    opened = seen(cgm)
    set_limits(patient=patient, user=cast["physician"], settings={GLUCOSE_LOW: Setting(GLUCOSE_LOW, 80.0, 0.0)})
    form = post(admin, cgm, seen=opened, **{LOW: "75"}).context["form"]
    assert form[LOW].value() == "75"
    assert own() == {("glucose", "low", "medium"): (80.0, 0.0)}


def test_back_to_default_of_an_old_page_leaves_a_newer_limit(admin, cast, cgm, patient) -> None:
    post(admin, cgm, **{LOW: "80"})
    opened = seen(cgm)
    post(admin, cgm, **{LOW: "85"})
    answer = post(admin, cgm, seen=opened, default="glucose-low-medium")
    assert answer.status_code == 400
    assert "were changed while the page was open" in answer.content.decode()
    assert own() == {("glucose", "low", "medium"): (85.0, 0.0)}


@pytest.mark.parametrize("carried", ["", "no token", "[1]", '{"glucose-low-medium": "80"}'])
def test_a_page_that_does_not_say_what_it_showed_overwrites_nothing(admin, cgm, carried) -> None:
    post(admin, cgm, **{LOW: "80"})
    assert post(admin, cgm, seen=carried).status_code == 409
    assert own() == {("glucose", "low", "medium"): (80.0, 0.0)}


def test_the_patients_page_is_compared_in_the_same_way(client, cast, cgm, patient) -> None:
    sign_in(client, cast["physician"])
    url = reverse("twin:limits", args=[patient.pk])
    page = client.get(url)
    opened = page.context["form"].token
    assert f'name="seen" value="{opened}"' in page.content.decode()
    set_limits(patient=patient, user=cast["physician"], settings={GLUCOSE_LOW: Setting(GLUCOSE_LOW, 80.0, 0.0)})
    answer = client.post(url, {"seen": opened, "bound-glucose-high-medium": "240"})
    assert (answer.status_code, own()) == (409, {("glucose", "low", "medium"): (80.0, 0.0)})
    assert "limits were changed while this page was open" in answer.content.decode()


def test_what_holds_is_compared_where_it_is_locked(cast, cgm, patient) -> None:
    with pytest.raises(LimitsChangedMeanwhile):
        set_limits(
            patient=patient,
            user=cast["physician"],
            settings={GLUCOSE_LOW: None},
            seen={GLUCOSE_LOW: Setting(GLUCOSE_LOW, 80.0, 0.0)},
        )
