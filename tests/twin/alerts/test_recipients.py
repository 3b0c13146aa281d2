"""Whom an alert addresses, and that the lower packages' facts arrive."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compliance.models import CareRelationship, Event
from compliance.selectors import people_who_may
from devices.models import Device
from devices.services.registry import assign_device
from devices.signals import readings_received
from twin.models import Alert
from twin.selectors.alerts import ACKNOWLEDGE, recipients_of

pytestmark = pytest.mark.django_db


def test_recipients_are_those_whom_the_policy_names(
    cast, patient, foreign_patient, make_user, other_ward, django_assert_max_num_queries
):
    make_user("nurse", ward=other_ward, username="elsewhere")
    make_user("caregiver", patient=foreign_patient, username="relative")
    make_user("caregiver", ward=patient.ward, username="misplaced")  # a caregiver's right never reaches a ward
    former = make_user("nurse", ward=patient.ward, username="former")
    CareRelationship.objects.filter(user=former).update(ends_at=timezone.now() - timedelta(hours=1))
    inactive = make_user("physician", ward=patient.ward, username="inactive")
    inactive.is_active = False
    inactive.save()
    with django_assert_max_num_queries(9):
        found = recipients_of([patient.pk, foreign_patient.pk])
    for somebody in (patient, foreign_patient):
        expected = {user.pk for user in people_who_may(ACKNOWLEDGE, somebody)}
        assert {person.user_id for person in found[somebody.pk]} == expected
    assert len(found[patient.pk]) == 4


def test_readings_that_are_received_are_watched(cgm, watch, batch_of):
    readings_received.send(sender=None, batch=batch_of((cgm, "glucose", time.time(), 50.0)))
    assert Alert.objects.get().rule == "glucose_low"


def test_device_that_changes_hands_alarms_for_its_new_patient(cgm, foreign_patient, watch, batch_of):
    from devices.signals import device_changed

    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now, 100.0)))
    cgm.patient = foreign_patient
    cgm.save()
    device_changed.send(sender=None, device_id=cgm.pk)
    watch.receive(batch_of((cgm, "glucose", now + 300, 50.0)))
    assert Alert.objects.get().patient == foreign_patient


def test_a_late_reading_of_the_former_patient_alarms_for_nobody_else(cgm, foreign_patient, watch, batch_of):
    now = time.time()
    assign_device(device=cgm, patient=foreign_patient)
    watch.receive(batch_of((cgm, "glucose", now - 30, 50.0), received_at=now + 5))
    assert not Alert.objects.exists()
    assert not Event.objects.filter(code="would_have_alarmed").exists()


def test_a_device_that_another_process_moved_alarms_for_nobody_until_that_is_known(
    cgm, patient, foreign_patient, watch, batch_of
):
    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now, 100.0)))
    Device.objects.update(patient=foreign_patient)  # as another process does: no signal comes here
    watch.receive(batch_of((cgm, "glucose", time.time() + 5, 50.0)))
    assert not Alert.objects.filter(patient=patient).exists()
    watch.reload()
    watch.receive(batch_of((cgm, "glucose", time.time() + 10, 49.0)))
    assert Alert.objects.get().patient == foreign_patient


def test_an_episode_of_the_former_patient_does_not_go_on(cgm, foreign_patient, watch, batch_of):
    now = time.time()
    watch.receive(batch_of((cgm, "glucose", now, 50.0)))
    assign_device(device=cgm, patient=foreign_patient)
    watch.reload()
    watch.receive(batch_of((cgm, "glucose", time.time() + 5, 49.0)))
    assert [alert.opened_at for alert in Alert.objects.filter(patient=foreign_patient)]


def test_acting_needs_the_forms_token(cast, cgm, watch, batch_of):
    watch.receive(batch_of((cgm, "glucose", time.time(), 50.0)))
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast["nurse"], backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.post(reverse("twin:alert_acknowledge", args=[Alert.objects.get().pk])).status_code == 403
    assert Alert.objects.get().state == "open"
