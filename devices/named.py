"""What of this package can be named on the page of the policy: devices, worn or spare, and gateways."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q

from compliance.policy import Resource
from compliance.policy.finders import Finder, register_finders
from devices.models import Device, Gateway


def register() -> None:
    """Tell the registry; called once from AppConfig.ready."""
    register_finders(
        [
            Finder(
                "device",
                lambda: Device.objects.select_related("patient__ward", "gateway__ward"),
                title=lambda device: f"{device.label}, {device.serial}",
                called=lambda text: Q(label__icontains=text) | Q(serial__icontains=text),
                ward_field="gateway__ward_id",
                states=_states,
            ),
            Finder(
                "gateway",
                lambda: Gateway.objects.select_related("ward"),
                title=lambda gateway: gateway.name,
                called=lambda text: Q(name__icontains=text) | Q(ward__name__icontains=text),
                patient_field=None,
                ward_field="ward_id",
                whose=lambda _: None,
            ),
        ]
    )


def _states() -> Iterator[tuple[int, Resource]]:
    """Yield each device with what the policy judges, as `Device.policy_resource` does, in one query."""
    rows = Device.objects.order_by().values_list("pk", "patient_id", "patient__ward_id", "gateway__ward_id", "state")
    for pk, patient, patients_ward, gateways_ward, state in rows:
        yield pk, Resource(patient, gateways_ward if patient is None else patients_ward, state)
