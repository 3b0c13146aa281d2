"""What a person's open page may show, asked anew every second or two: rights end while pages stay open."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from compliance.models import Patient, User
from compliance.policy import Resource, Scope
from compliance.policy.asking import asking
from compliance.selectors import scope_for, within_scope
from compliance.selectors.ends import next_change
from devices.models import Device, DeviceState
from devices.selectors.worn import worn_since

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
    since: dict[int, float] = field(default_factory=dict)  # device id -> when it came to this patient, s since 1970
    told: dict[str, frozenset[str]] = field(default_factory=dict)  # panel -> patient ids
    until: datetime | None = None  # when time alone may make it another


def view_for(user_id: int, patient_id: UUID | None = None, *, fresh: bool = False) -> View | None:
    """Return what the user may watch now, on the ward or of one patient; None when that is nothing.

    fresh: whether the session behind the page has proved a second factor within the last minutes.
    """
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        return None
    with asking(fresh=lambda: fresh):  # one look at the person for all of these
        until = next_change(user, timezone.now())
        scopes = {action: scope_for(user, action) for action in {*PANEL_RIGHTS.values(), "compliance.view_patient"}}
    patients = _patients(scopes["compliance.view_patient"], patient_id)
    if not patients and (patient_id is not None or scopes["compliance.view_patient"].empty):
        return None
    told = {
        panel: frozenset(str(pk) for pk, ward in patients.items() if scopes[right].covers(Resource(pk, ward)))
        for panel, right in PANEL_RIGHTS.items()
    }
    devices = Device.objects.filter(patient__in=patients, state=DeviceState.ACTIVE).values_list("pk", "patient_id")
    watched = {device: str(owner) for device, owner in devices.order_by() if str(owner) in told["devices"]}
    return View(watched, worn_since(watched), told, until)


def _patients(scope: Scope, patient_id: UUID | None) -> dict[UUID, int]:
    """Return the patients in `scope` with their wards."""

    found = within_scope(Patient.objects.all(), scope, patient_field="")
    if patient_id is not None:
        found = found.filter(pk=patient_id)
    return dict(found.order_by().values_list("pk", "ward_id"))
