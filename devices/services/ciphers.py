"""Let the cipher of devices follow what is wished, at the only moment when both ends change it together: a new epoch.

A gateway that follows such wishes says so by the version of its software, which it signs; of others a device keeps its
cipher, and the page says why.
"""

from __future__ import annotations

from collections.abc import Mapping

from compliance.models import EventCategory
from compliance.services.events import record_event
from devices.models import DesiredSettings, Device
from devices.protocol.hello import MutualHello
from devices.protocol.suites import Suite
from devices.selectors.suites import follows_ciphers, suite_allowed


def follow_ciphers(hellos: Mapping[int, MutualHello]) -> None:
    """Give devices the cipher that is wished, where their gateway begins an epoch, has it, and the house allows it.

    hellos: by gateway. Called inside the transaction that begins the epochs: frames of the old ones are refused for
    their epoch alone, and sealed again, so that none is lost and no key is used with two ciphers.
    """
    able = {gateway: set(one["suites"]) for gateway, one in hellos.items() if follows_ciphers(one["software"])}
    wishes = DesiredSettings.objects.filter(device__gateway__in=able).exclude(suite=None)
    for wish in wishes.select_related("device__gateway", "device__patient", "set_by").order_by("device_id"):
        device = wish.device
        suite = Suite(wish.suite or device.suite)
        if suite == device.suite or suite not in able[device.gateway_id] or not suite_allowed(suite):
            continue
        before = Suite(device.suite)
        Device.objects.filter(pk=device.pk).update(suite=suite)
        record_event(
            category=EventCategory.SECURITY,
            code="device_cipher_chosen",
            message=f"Its frames are sealed with {suite.facts.label} from now on.",
            patient=device.patient,
            ward_id=device.gateway.ward_id,
            user=wish.set_by,
            device_id=device.pk,
            gateway_id=device.gateway_id,
            detail={"kind": device.kind, "before": before.facts.name, "after": suite.facts.name},
        )
