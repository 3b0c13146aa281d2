"""What this package holds of a person, and how it goes when the person is erased or it is over age."""

from __future__ import annotations

from uuid import UUID

from compliance.privacy.erasers import Fate, Part, register_obstacle, register_parts
from compliance.services.erasing import delete_some
from devices.models import Device, DeviceAssignment, EdgeFact, EnergyUsage, ExternalObservation, HL7Cursor, HL7Message
from devices.selectors.worn import spans_of
from devices.services.telemetry import store
from devices.telemetry import Worn


def register() -> None:
    """Tell the registry; called once from AppConfig.ready."""
    register_obstacle("devices", still_worn)
    register_parts(
        [
            Part(
                "messages", "Messages to other systems", Fate.DELETED, 30,
                frozenset({"devices.HL7Message", "devices.HL7Cursor"}), _erase_messages,
            ),
            Part(
                "external", "Values that others measured", Fate.DELETED, 30,
                frozenset({"devices.ExternalObservation"}), _erase_external,
            ),
            Part(
                "edge", "What gateways did on their own, and how they heard devices", Fate.DELETED, 30,
                frozenset({"devices.EdgeFact"}), _erase_facts,
            ),
            Part(
                "readings", "Readings, curves and the sealed frames that brought them", Fate.DELETED, 40,
                frozenset({"devices.Device"}), erase_readings,
            ),
            Part(
                "energy", "Whose readings a device's energy was spent on", Fate.DETACHED, 45,  # after the readings
                frozenset({"devices.EnergyUsage"}), _detach_energy,
            ),
            Part(
                "wearing", "Which devices were worn when", Fate.DETACHED, 45,  # after the readings that it leads to
                frozenset({"devices.DeviceAssignment"}), _detach_assignments,
            ),
        ]
    )  # fmt: skip


def still_worn(patient_id: UUID) -> str | None:
    """Name the devices that somebody has to take off first: a pump must never lose its patient while it runs."""
    worn = list(Device.objects.filter(patient_id=patient_id).order_by("pk").values_list("label", "pk"))
    if not worn:
        return None
    names = ", ".join(f"{label} (device {pk})" for label, pk in worn[:5])
    more = f" and {len(worn) - 5} more" if len(worn) > 5 else ""
    return f"Still on this person: {names}{more}. Stop and take them off first, then approve again."


def erase_readings(patient_id: UUID, limit: int) -> int:
    """Erase what the person's devices measured. Raises StoreUnavailable."""
    for span in spans_of([patient_id]):
        if gone := store().erase(Worn(span.device, span.starts, span.ends), limit):
            return gone
    return 0


def _erase_messages(patient_id: UUID, limit: int) -> int:
    return delete_some(HL7Message.objects.filter(patient_id=patient_id), limit) or delete_some(
        HL7Cursor.objects.filter(patient_id=patient_id), limit
    )


def _erase_external(patient_id: UUID, limit: int) -> int:
    return delete_some(ExternalObservation.objects.filter(patient_id=patient_id), limit)


def _erase_facts(patient_id: UUID, limit: int) -> int:
    return delete_some(EdgeFact.objects.filter(patient_id=patient_id), limit)


def _detach_energy(patient_id: UUID, limit: int) -> int:
    rows = EnergyUsage.objects.filter(patient_id=patient_id).values_list("pk", flat=True)[:limit]
    return EnergyUsage.objects.filter(pk__in=list(rows)).update(patient=None)


def _detach_assignments(patient_id: UUID, limit: int) -> int:
    """Leave the spans to nobody: what was measured in them must not become the next wearer's."""
    rows = DeviceAssignment.objects.filter(patient_id=patient_id).values_list("pk", flat=True)[:limit]
    return DeviceAssignment.objects.filter(pk__in=list(rows)).update(patient=None)
