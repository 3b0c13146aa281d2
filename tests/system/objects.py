"""One real object of every kind that a URL can name, for one patient."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.utils import timezone

from compliance.adherence.fusion import Finding
from compliance.models import Intake, Medication, Patient, Regimen, ScheduledDose
from compliance.models.regimens import IntakeSource
from devices.models import Gateway
from devices.services.registry import register_device, register_gateway
from imaging.models import Instance, Series, Study, StudyState, Upload
from twin.models import Alert


def objects_of(patient: Patient) -> dict[str, object]:
    """Return real identifiers by the names that URL parameters have."""
    now = timezone.now()
    gateway = register_gateway(name=f"gateway {patient.pk}", ward=patient.ward, public_key=bytes(32))
    device, _key = register_device(
        serial=str(uuid.uuid4())[:20], kind="cgm", label="Glucose monitor", gateway=gateway, patient=patient
    )
    alert = Alert.objects.create(
        patient=patient, device=device, rule="glucose_low", metric="glucose", priority="high", value=48.0,
        message="Glucose 48 mg/dL, below 54", event_time=now, last_seen_at=now,
    )  # fmt: skip
    return {
        "device_id": device.pk,
        "gateway_id": gateway.pk,
        "alert_id": alert.pk,
        **_plan_of(patient),
        **_study_of(patient, gateway),
    }


def _plan_of(patient: Patient) -> dict[str, object]:
    now = timezone.now()
    medication, _created = Medication.objects.get_or_create(name="Metoprolol", strength="50 mg", unit_weight_g=0.2)
    regimen = Regimen.objects.create(patient=patient, medication=medication, times=["20:00"], starts_on=now.date())
    dose = ScheduledDose.objects.create(
        regimen=regimen, patient=patient, due_at=now, opens_at=now - timedelta(hours=1),
        closes_at=now + timedelta(hours=1), local_date=now.date(), changed_at=now,
    )  # fmt: skip
    intake = Intake.objects.create(
        patient=patient, source=IntakeSource.MANUAL, finding=Finding.TAKEN, confidence=1.0, at=now, recorded_at=now
    )
    return {"dose_id": dose.pk, "intake_id": intake.pk}


def _study_of(patient: Patient, gateway: Gateway) -> dict[str, object]:
    study = Study.objects.create(patient=patient, gateway=gateway, content="dicom", state=StudyState.READY)
    series = Series.objects.create(study=study, series_uid="1.2.3")
    instance = Instance.objects.create(
        series=series, sop_uid="1.2.3.4", rows=8, columns=8, window_centre=4, window_width=8
    )
    upload = Upload.objects.create(
        id=study.pk, gateway=gateway, manifest=b"{}", signature=bytes(64), pieces=1, sealed_bytes=64
    )
    return {
        "study_id": study.pk,
        "series_id": series.pk,
        "instance_id": instance.pk,
        "study": upload.pk,
        "index": 0,
        "state": "quarantined",
    }
