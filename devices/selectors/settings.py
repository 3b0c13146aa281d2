"""What is wished of devices, what their gateways say that they do, and what goes into a gateway's welcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from devices.models import DesiredSettings, Device, EdgeFact, Gateway
from devices.protocol.facts import FactKind
from devices.protocol.settings import DeviceSettings, GatewaySettings


@dataclass(frozen=True, slots=True)
class Standing:
    """The wish for a device, beside what its gateway told of it. taken_at: None while it was not told yet."""

    wish: DesiredSettings
    taken_at: datetime | None

    @property
    def words(self) -> str:
        """How the device is told of, in words."""
        often = f"at most one value of each in {self.wish.every_s:g} s" if self.wish.every_s else "every value"
        return f"{often}{', deflated' if self.wish.deflate else ''}"


def standing_of(device: Device) -> Standing | None:
    """Return how a device's settings stand; None where nothing was ever wished."""
    wish = DesiredSettings.objects.filter(device=device).select_related("set_by").first()
    if wish is None:
        return None
    # By when it was received: a gateway whose clock was set back tells newer things at earlier times.
    told = EdgeFact.objects.filter(device=device, kind=FactKind.SET).order_by("-received_at", "-pk").first()
    taken = told is not None and told.values.get("number", -1.0) >= wish.number
    return Standing(wish, told.received_at if told is not None and taken else None)


def wished_of(gateways: Iterable[Gateway]) -> dict[int, GatewaySettings]:
    """Return gateway id -> what is wished of its devices, for gateways of which anything ever was."""
    numbers = {one.pk: one.settings_number for one in gateways if one.settings_number}
    devices: dict[int, dict[int, DeviceSettings]] = defaultdict(dict)
    rows = DesiredSettings.objects.filter(device__gateway__in=numbers).order_by("device_id")
    for gateway_id, device_id, every_s, deflate in rows.values_list(
        "device__gateway_id", "device_id", "every_s", "deflate"
    ):
        devices[gateway_id][device_id] = DeviceSettings(every_s, deflate)
    return {gateway_id: GatewaySettings(number, devices[gateway_id]) for gateway_id, number in numbers.items()}
