"""Facts from below that raise or end alerts."""

from __future__ import annotations

from typing import Any

from compliance.models import Intake, Patient, ScheduledDose
from compliance.signals import dose_missed, intake_recorded, intake_withdrawn
from devices.signals import device_changed, gateway_link_changed, readings_received
from devices.telemetry.batch import ReadingBatch
from twin.services.alert_watch import alert_watch
from twin.services.dose_alerts import alert_missed_dose, end_dose_alerts


def connect() -> None:
    """Connect; receivers live as long as the process."""
    readings_received.connect(_watch_readings, dispatch_uid="alerts")
    device_changed.connect(_reload, dispatch_uid="alerts")
    gateway_link_changed.connect(_note_gateway, dispatch_uid="alerts")
    dose_missed.connect(_alert_missed_dose, dispatch_uid="alerts")
    intake_recorded.connect(_end_dose_alerts, dispatch_uid="alerts")
    intake_withdrawn.connect(_alert_withdrawn, dispatch_uid="alerts")


def _watch_readings(sender: object, batch: ReadingBatch, **_: Any) -> None:
    alert_watch.receive(batch)


def _reload(sender: object, **_: Any) -> None:
    alert_watch.reload()


def _note_gateway(sender: object, gateway_id: int, connected: bool, **_: Any) -> None:
    if connected:
        alert_watch.reconnected(gateway_id)


def _alert_missed_dose(sender: object, patient: Patient, dose: ScheduledDose, **_: Any) -> None:
    alert_missed_dose(patient=patient, dose=dose)


def _end_dose_alerts(sender: object, patient: Patient, intake: Intake, doses: list[ScheduledDose], **_: Any) -> None:
    end_dose_alerts(patient=patient, doses=doses)


def _alert_withdrawn(sender: object, patient: Patient, intake: Intake, doses: list[ScheduledDose], **_: Any) -> None:
    for dose in doses:
        alert_missed_dose(patient=patient, dose=dose, again=True)
