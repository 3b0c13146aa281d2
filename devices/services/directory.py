"""Who may send: the registry as the ingest writer needs it, in memory, refreshed when it changes and every second.

A web process that quarantines a device and the process that holds the gateway's socket may be two, so the refresh
reads the database; it costs one query per table, and a key is unsealed only when its row changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from compliance.errors import SecretUnreadable
from compliance.secretbox import SecretBox
from devices.kinds.registry import KINDS
from devices.models import Device, DeviceState, Gateway, GatewayState

KIND_NAMES = tuple(KINDS)


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What the writer must know of a device to accept its frames. kind: position in `KIND_NAMES`, -1 when unknown."""

    device_id: int
    key: bytes
    epoch: int
    gateway_id: int
    patient_id: UUID | None
    ward_id: int
    kind: int


@dataclass(frozen=True, slots=True)
class KnownGateway:
    """What the socket must know of a gateway to let it in. connected_at names its newest connection anywhere."""

    gateway_id: int
    public_key: bytes
    active: bool
    ward_id: int
    connected_at: datetime | None


class Directory:
    """A snapshot of the registry; `refresh` replaces it as a whole, so that readers in other threads need no lock."""

    def __init__(self) -> None:
        self.devices: dict[int, KnownDevice] = {}
        self.gateways: dict[int, KnownGateway] = {}
        self._box = SecretBox(settings.FIELD_KEY, "device-key")
        self._keys: dict[bytes, bytes] = {}  # sealed -> opened
        self._rows: dict[int, tuple[Any, ...]] = {}

    def refresh(self) -> None:
        """Read gateways and active devices. Only devices whose row changed cost more than a comparison."""
        fields = ("id", "public_key", "state", "ward_id", "connected_at")
        self.gateways = {
            row[0]: KnownGateway(row[0], bytes(row[1]), row[2] == GatewayState.ACTIVE, row[3], row[4])
            for row in Gateway.objects.values_list(*fields)
        }
        columns = ("id", "epoch", "gateway_id", "patient_id", "gateway__ward_id", "patient__ward_id", "kind")
        active = Device.objects.filter(state=DeviceState.ACTIVE, gateway__state=GatewayState.ACTIVE)
        rows = {row[0]: row for row in active.values_list(*columns).order_by()}
        changed = [device_id for device_id, row in rows.items() if self._rows.get(device_id) != row]
        if changed or len(rows) != len(self._rows):
            fresh = self._load(rows, changed)
            kept = {device_id: known for device_id, known in self.devices.items() if device_id in rows}
            self.devices, self._rows = kept | fresh, rows

    def _load(self, rows: dict[int, tuple[Any, ...]], changed: list[int]) -> dict[int, KnownDevice]:
        sealed = {}
        for start in range(0, len(changed), 500):
            wanted = Device.objects.filter(id__in=changed[start : start + 500])
            sealed.update({device_id: bytes(key) for device_id, key in wanted.values_list("id", "key_sealed")})
        loaded = {}
        for device_id, key_sealed in sealed.items():
            try:
                key = self._box.open(key_sealed)
            except SecretUnreadable:
                continue  # sealed under another field key: its frames are refused as from an unknown device
            _, epoch, gateway_id, patient_id, gateway_ward, patient_ward, kind = rows[device_id]
            position = KIND_NAMES.index(str(kind)) if kind in KIND_NAMES else -1
            loaded[device_id] = KnownDevice(
                device_id,
                key,
                epoch,
                gateway_id,
                patient_id,
                patient_ward or gateway_ward,
                position,
            )
        return loaded
