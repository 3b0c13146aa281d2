"""In which order rows are locked: gateways, by number, before devices.

A gateway that greets holds its own row and then changes its devices' (`devices.services.epochs`). Who locked a device
first and its gateway then would wait for it while it waits for them, and PostgreSQL would end one of both.
"""

from __future__ import annotations

from devices.models import Device, Gateway


def lock_with_gateways(device_id: int, *gateway_ids: int) -> tuple[Device, dict[int, Gateway]]:
    """Lock a device, its gateway and the gateways named, and return them; gateways by number.

    Called inside a transaction. Raises Device.DoesNotExist.
    """
    while True:
        at = Device.objects.values_list("gateway_id", flat=True).get(pk=device_id)
        rows = Gateway.objects.select_for_update().filter(pk__in={at, *gateway_ids}).order_by("pk")
        gateways = {one.pk: one for one in rows}
        device = Device.objects.select_for_update(of=("self",)).select_related("gateway", "patient").get(pk=device_id)
        if device.gateway_id in gateways:  # else it was moved between the two questions
            return device, gateways
