"""Two writers at once: one alert."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.utils import timezone

from tests.patience import PATIENCE_S
from twin.alerts.priority import Priority
from twin.models import Alert, AlertStep
from twin.services.alerts import Condition, Key, raise_alerts

WRITERS = 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("with_device", [True, False])
def test_writers_at_once_store_one_alert(cast, patient, cgm, with_device):
    condition = Condition(
        Key(patient.pk, cgm.pk if with_device else None, "glucose_low"),
        "glucose",
        Priority.HIGH,
        "Glucose 50",
        timezone.now(),
        50.0,
    )
    together, failures = threading.Barrier(WRITERS), []

    def write():
        try:
            together.wait(PATIENCE_S)
            raise_alerts(conditions=[condition])
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert failures == []
    assert Alert.objects.count() == 1
    assert AlertStep.objects.filter(kind="raised").count() == 4
