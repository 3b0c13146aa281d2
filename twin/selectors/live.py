"""What a person's open page may show, asked anew every second or two: rights end while pages stay open."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from compliance.models import Patient, User
from compliance.policy import Resource, Scope, scope_of
from compliance.selectors import subject_of, within_scope
from devices.models import Device, DeviceState

# Which right a notice about a panel needs; the panel itself asks again when it is fetched.
PANEL_RIGHTS = {
    "alerts": "twin.view_alert",
    "medication": "compliance.view_adherence",
    "images": "imaging.view_study",
    "devices": "devices.view_device",
    "timeline": "compliance.view_patient",
    "prediction": "compliance.view_patient",
}


@dataclass(frozen=True, slots=True)
class View:
    """What one person may watch: devices with their patients, and for each panel the patients it may be told of."""

    devices: dict[int, str] = field(default_factory=dict)  # device id -> patient id
    told: dict[str, frozenset[str]] = field(default_factory=dict)  # panel -> patient ids


def view_for(user_id: int, patient_id: UUID | None = None) -> View | None:
    """Return what the user may watch now, on the ward or of one patient; None when that is nothing."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        return None
    subject = subject_of(user)
    scopes = {action: scope_of(subject, action) for action in {*PANEL_RIGHTS.values(), "compliance.view_patient"}}
    patients = _patients(scopes["compliance.view_patient"], patient_id)
    if not patients and (patient_id is not None or scopes["compliance.view_patient"].empty):
        return None
    told = {
        panel: frozenset(str(pk) for pk, ward in patients.items() if scopes[right].covers(Resource(pk, ward)))
        for panel, right in PANEL_RIGHTS.items()
    }
    devices = Device.objects.filter(patient__in=patients, state=DeviceState.ACTIVE).values_list("pk", "patient_id")
    return View({device: str(owner) for device, owner in devices.order_by() if str(owner) in told["devices"]}, told)


def _patients(scope: Scope, patient_id: UUID | None) -> dict[UUID, int]:
    """Return the patients in `scope` with their wards."""

    found = within_scope(Patient.objects.all(), scope, patient_field="")
    if patient_id is not None:
        found = found.filter(pk=patient_id)
    return dict(found.order_by().values_list("pk", "ward_id"))
