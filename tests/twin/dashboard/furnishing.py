"""Gives a ward something to show on the analytics pages."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from compliance.models import Event, EventCategory
from compliance.models.regimens import Medication, Regimen, RiskEstimate, ScheduledDose
from devices.models import Device, EnergyUsage, Gateway


def furnish(ward, patient, name, joules):
    """Give a patient a gateway, a device, a minute of energy, two events, and doses with a risk."""
    now = timezone.now()
    gateway = Gateway.objects.create(name=f"gateway {name}", ward=ward, public_key=b"k" * 32, last_seen_at=now)
    device = Device.objects.create(
        serial=f"serial-{name}", kind="cgm", label=f"CGM {name}", gateway=gateway, patient=patient, key_sealed=b""
    )
    minute = now.replace(second=0, microsecond=0) - timedelta(minutes=5)
    for hop, link, overhead in (("device", "ble", 0), ("uplink", "wifi", 360)):
        EnergyUsage.objects.create(
            device=device,
            hop=hop,
            link=link,
            starts_at=minute,
            patient=patient,
            ward=ward,
            messages=10,
            readings=200,
            payload_bytes=2580,
            overhead_bytes=overhead,
            radio_j=joules,
            cpu_j=0.0,
            security_j=joules / 10 if overhead else 0.0,
        )
    for code, count in (("frame_forged", 3), ("reading_not_finite", 1)):
        Event.objects.create(
            category=EventCategory.SECURITY if code == "frame_forged" else EventCategory.DATA_QUALITY,
            code=code,
            message=f"Refused at {name}",
            patient=patient,
            ward_id=ward.pk,
            device_id=device.pk,
            count=count,
        )
    medication = Medication.objects.create(name=f"Tablet {name}", unit_weight_g=0.5)
    regimen = Regimen.objects.create(
        patient=patient, medication=medication, times=["08:00"], starts_on=(now - timedelta(days=9)).date()
    )
    for days_ago, state in ((3, "taken"), (2, "missed"), (1, "late"), (-1, "pending")):
        due = now - timedelta(days=days_ago)
        dose = ScheduledDose.objects.create(
            regimen=regimen,
            patient=patient,
            due_at=due,
            opens_at=due - timedelta(hours=1),
            closes_at=due + timedelta(hours=1),
            local_date=due.date(),
            state=state,
            changed_at=now,
        )
    RiskEstimate.objects.create(
        dose=dose, patient=patient, probability=0.7, usual=0.2, factors=[], model_version="test", computed_at=now
    )
    return device
