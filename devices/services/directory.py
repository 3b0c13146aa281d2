"""Who may send: the registry as the ingest writer needs it, in memory, brought up to date every second.

A web process that quarantines a device and the process that holds the gateway's socket may be two, so the refresh
asks the database. It reads a table only when its mark says that something changed there, since going through 10,000
rows keeps every other thread of the process waiting for 80 ms; a key is unsealed only when its row changed.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from compliance.errors import SecretUnreadable
from devices.kinds.registry import KINDS
from devices.models import (
    Certificate,
    CertificateState,
    Device,
    DeviceHome,
    DevicePath,
    DeviceState,
    Gateway,
    GatewayMeasurement,
    GatewayState,
    Watched,
)
from devices.models.paths import FIRST_NUMBER, PATH_EPOCH
from devices.protocol.certificates import Kind, Profile, Subject
from devices.protocol.epochs import frame_key
from devices.protocol.mutual import Epoch
from devices.selectors.keys import device_root_box, gateway_root_box, key_box
from devices.services.registry_watch import Mark, registry_marks

KIND_NAMES = tuple(KINDS)
# A gateway may come back with what it heard before another path ended: as long as readings are taken at all.
STILL_SHARED = timedelta(days=31)
NO_EPOCH = -1  # of a device of a paired gateway that is not connected here: no frame can name it


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What the writer must know of a device to accept its frames. kind: position in `KIND_NAMES`, -1 when unknown.

    number, lane: the number that frames name it by, and in which lane its readings are numbered; another number than
    `device_id` where this is one more gateway's path to it, and another lane than 0 there or when it was moved.
    """

    device_id: int
    key: bytes
    epoch: int
    suite: int
    gateway_id: int
    patient_id: UUID | None
    ward_id: int
    kind: int
    number: int
    lane: int = 0


@dataclass(frozen=True, slots=True)
class KnownGateway:
    """What the socket must know of a gateway to let it in. connected_at names its newest connection anywhere.

    root: of its pairing, 32 bytes; None for a gateway that was never paired. certificates: serial number -> end
    (s since the Unix epoch) of those that count.
    """

    gateway_id: int
    public_key: bytes
    active: bool
    ward_id: int
    connected_at: datetime | None
    root: bytes | None = None
    certificates: Mapping[str, float] = field(default_factory=dict)
    settings_number: int = 0  # of what is wished of its devices
    measurements: Mapping[bytes, bool] = field(default_factory=dict)  # what it ever showed -> whether it was approved

    def attested(self, shown: bytes) -> bool:
        """Tell whether it may connect with this measurement: any, until one of its own was approved."""
        return self.measurements.get(shown, False) or not any(self.measurements.values())

    def believes(self, serial: str, now: float) -> bool:
        """Tell whether a certificate still counts at `now`, s since the Unix epoch."""
        return self.certificates.get(serial, 0.0) > now


class Directory:
    """A snapshot of the registry; `refresh` replaces it as a whole, so that readers in other threads need no lock."""

    def __init__(self) -> None:
        self.devices: dict[int, KnownDevice] = {}  # by the number on the wire: a path beside its device
        self.shared: frozenset[int] = frozenset()  # devices of which several gateways tell, or did until lately
        self.gateways: dict[int, KnownGateway] = {}
        self._boxes = key_box(), gateway_root_box(), device_root_box()
        self._roots: dict[int, tuple[bytes, bytes | None]] = {}  # gateway -> sealed, opened
        self._own_roots: dict[int, tuple[int, bytes | None]] = {}  # device -> gateway, own root there if it has one
        self._papers: dict[int, dict[str, float]] = {}  # gateway -> certificates that count
        self._shown: dict[int, dict[bytes, bool]] = {}  # gateway -> what it said that it runs, and whether that counts
        self._epochs: dict[int, Epoch] = {}  # of gateways that are connected here
        self._rows: dict[int, tuple[Any, ...]] = {}
        self._paths: dict[int, tuple[Any, ...]] = {}
        self._marks: dict[Watched, Mark] = {}

    def refresh(self) -> None:
        """Read what changed since the last time. Only devices whose row changed cost more than a comparison."""
        marks = registry_marks()  # before the tables: what changes in between is read again next time
        changed = {table for table, mark in marks.items() if mark != self._marks.get(table)}
        papers = Watched.PAPERS in changed
        if papers or not self._marks:
            self._papers = _certificates()
            self._shown = _measurements()
        moved = (papers or Watched.GATEWAYS in changed) and self._read_gateways()
        if moved or papers or Watched.DEVICES in changed:
            self._read_devices()
        self._marks = marks

    def begin_epoch(self, gateway_id: int, epoch: Epoch) -> None:
        """Take the frame keys of a gateway's devices from a new epoch; the keys before are forgotten."""
        self._epochs[gateway_id] = epoch
        mine = [known for known in self.devices.values() if known.gateway_id == gateway_id]
        suites = {}
        rows = Device.objects.filter(gateway=gateway_id).values_list("id", "root_sealed", "suite")
        for device_id, sealed, suite in rows:  # own pairings and ciphers count from its gateway's next epoch on
            suites[device_id] = suite
            self._own_roots[device_id] = gateway_id, self._own_root(sealed)
        now = [replace(known, suite=suites.get(known.number, known.suite)) for known in mine]
        self.devices = self.devices | {known.number: self._in_epoch(known, epoch) for known in now}

    def end_epoch(self, gateway_id: int, epoch: Epoch) -> None:
        """Forget the keys of an epoch whose connection is gone, unless a later one began."""
        if self._epochs.get(gateway_id) is not epoch:
            return
        del self._epochs[gateway_id]
        mine = [known for known in self.devices.values() if known.gateway_id == gateway_id]
        self.devices = self.devices | {known.number: replace(known, epoch=NO_EPOCH) for known in mine}

    def _in_epoch(self, known: KnownDevice, epoch: Epoch) -> KnownDevice:
        gateway_id, root = self._own_roots.get(known.number, (known.gateway_id, None))
        own = root if gateway_id == known.gateway_id else None  # what it had on the gateway that it left is no use here
        return replace(known, key=frame_key(epoch.secret, known.number, known.suite, own), epoch=epoch.number)

    def _own_root(self, sealed: Any) -> bytes | None:
        """Return the root of a device that was paired itself; one that cannot be opened becomes one that nobody has."""
        if sealed is None:
            return None
        try:
            return self._boxes[2].open(bytes(sealed))
        except SecretUnreadable:
            return os.urandom(32)

    def _read_gateways(self) -> bool:
        """Read the gateways; tell whether that matters to their devices, which a new connection does not."""
        fields = ("id", "public_key", "state", "ward_id", "connected_at", "root_sealed", "settings_number")
        found = {
            row[0]: KnownGateway(
                row[0],
                bytes(row[1]),
                row[2] == GatewayState.ACTIVE,
                row[3],
                row[4],
                self._root(row[0], row[5]),
                self._papers.get(row[0], {}),
                row[6],
                self._shown.get(row[0], {}),
            )
            for row in Gateway.objects.values_list(*fields).order_by()
        }
        before, self.gateways = self.gateways, found
        return _places(before) != _places(found)

    def _root(self, gateway_id: int, sealed: Any) -> bytes | None:
        """Return a gateway's root key; one that cannot be opened becomes a key that nobody has."""
        if sealed is None:
            return None
        raw = bytes(sealed)
        if self._roots.get(gateway_id, (b"", None))[0] != raw:
            try:
                root = self._boxes[1].open(raw, Subject(Kind.GATEWAY, gateway_id).urn.encode())
            except SecretUnreadable:
                root = os.urandom(32)
            self._roots[gateway_id] = raw, root
        return self._roots[gateway_id][1]

    def _read_devices(self) -> None:
        columns = ("id", "epoch", "gateway_id", "patient_id", "gateway__ward_id", "patient__ward_id", "kind", "suite")
        active = _working().filter(gateway__state=GatewayState.ACTIVE)
        # In the same question: the lane of one gateway beside the name of another would number its readings as theirs.
        homes = DeviceHome.objects.filter(device=OuterRef("pk"), ended_at=None)  # of those that were moved
        lane = Coalesce(Subquery(homes.values("lane")[:1]), 0)
        rows = {row[0]: row for row in active.values_list(*columns, lane).order_by()}
        changed = [device_id for device_id, row in rows.items() if self._rows.get(device_id) != row]
        paths = self._path_rows()
        if changed or len(rows) != len(self._rows) or paths != self._paths:
            fresh = self._load(rows, changed)
            kept = {device_id: known for device_id, known in self.devices.items() if device_id in rows}
            self.devices, self._rows, self._paths = kept | fresh | self._load_paths(paths), rows, paths

    def _path_rows(self) -> dict[int, tuple[Any, ...]]:
        """Return the paths that count, by their number on the wire, and note which devices are shared."""
        lately = timezone.now() - STILL_SHARED
        mine = Q(ended_at=None) | Q(ended_at__gt=lately)
        self.shared = frozenset(DevicePath.objects.filter(mine).values_list("device", flat=True))
        # A device that keeps what it measured tells its next gateway once more what the former one brought.
        self.shared |= frozenset(DeviceHome.objects.filter(ended_at__gt=lately).values_list("device", flat=True))
        columns = ("id", "device", "gateway", "lane", "key_sealed", "suite", "device__kind")
        places = ("device__patient", "device__patient__ward", "gateway__ward")
        counting = DevicePath.objects.filter(
            ended_at=None, gateway__state=GatewayState.ACTIVE, device__in=_working().values("pk")
        )
        found = counting.values_list(*columns, *places).order_by() if self.shared else ()
        return {FIRST_NUMBER + row[0]: (*row[:4], bytes(row[4]), *row[5:]) for row in found}

    def _load_paths(self, rows: dict[int, tuple[Any, ...]]) -> dict[int, KnownDevice]:
        loaded = {}
        for number, row in rows.items():
            _, device_id, gateway_id, lane, sealed, suite, kind, patient_id, ward, gateway_ward = row
            try:
                key = self._boxes[0].open(sealed)
            except SecretUnreadable:
                continue  # sealed under another field key: its frames are refused as from an unknown device
            known = KnownDevice(
                device_id,
                key,
                PATH_EPOCH,
                suite,
                gateway_id,
                patient_id,
                ward or gateway_ward,
                _position(kind),
                number,
                lane,
            )
            loaded[number] = self._under_pairing(known)
        return loaded

    def _load(self, rows: dict[int, tuple[Any, ...]], changed: list[int]) -> dict[int, KnownDevice]:
        sealed = {}
        for start in range(0, len(changed), 500):
            wanted = Device.objects.filter(id__in=changed[start : start + 500])
            for device_id, key, root in wanted.values_list("id", "key_sealed", "root_sealed"):
                sealed[device_id] = bytes(key)
                self._note_moved(device_id, rows[device_id][2], root)
        loaded = {}
        for device_id, key_sealed in sealed.items():
            try:
                key = self._boxes[0].open(key_sealed)
            except SecretUnreadable:
                continue  # sealed under another field key: its frames are refused as from an unknown device
            _, epoch, gateway_id, patient_id, gateway_ward, patient_ward, kind, suite, lane = rows[device_id]
            known = KnownDevice(
                device_id,
                key,
                epoch,
                suite,
                gateway_id,
                patient_id,
                patient_ward or gateway_ward,
                _position(kind),
                device_id,
                lane,
            )
            loaded[device_id] = self._under_pairing(known)
        return loaded

    def _note_moved(self, device_id: int, gateway_id: int, root: Any) -> None:
        """Take the root that a device has on the gateway to which it was moved while that was connected.

        Where it stayed, a pairing of its own counts from the next epoch on, and `begin_epoch` reads it.
        """
        if gateway_id in self._epochs and self._own_roots.get(device_id, (0, None))[0] != gateway_id:
            self._own_roots[device_id] = gateway_id, self._own_root(root)

    def _under_pairing(self, known: KnownDevice) -> KnownDevice:
        """Return the device with the key of its gateway's epoch; as it is where the gateway was never paired."""
        gateway = self.gateways.get(known.gateway_id)
        if gateway is None or gateway.root is None:
            return known
        epoch = self._epochs.get(known.gateway_id)
        return self._in_epoch(known, epoch) if epoch else replace(known, epoch=NO_EPOCH)


def _working() -> QuerySet[Device]:
    """Return the devices whose frames may be taken, as far as they themselves are concerned."""
    counts = Certificate.objects.filter(device=OuterRef("pk"), state=CertificateState.VALID)
    return Device.objects.filter(Q(root_sealed=None) | Exists(counts), state=DeviceState.ACTIVE)


def _position(kind: object) -> int:
    return KIND_NAMES.index(str(kind)) if kind in KIND_NAMES else -1


def _certificates() -> dict[int, dict[str, float]]:
    """Return gateway -> serial number -> end of the certificates that count."""
    counting = Certificate.objects.filter(state=CertificateState.VALID, profile=Profile.LINK)
    found: dict[int, dict[str, float]] = defaultdict(dict)
    rows = counting.exclude(gateway=None).values_list("gateway_id", "serial", "not_after").order_by()
    for gateway_id, serial, not_after in rows:
        found[gateway_id or 0][serial] = not_after.timestamp()
    return found


def _measurements() -> dict[int, dict[bytes, bool]]:
    """Return gateway -> measurement -> whether it was approved."""
    found: dict[int, dict[bytes, bool]] = {}
    for gateway_id, value, at in GatewayMeasurement.objects.values_list("gateway", "value", "approved_at").order_by():
        found.setdefault(gateway_id, {})[bytes.fromhex(value)] = at is not None
    return found


def _places(gateways: dict[int, KnownGateway]) -> dict[int, tuple[bool, int, bool, int]]:
    """Return what of the gateways matters to their devices; a move counts their settings up, and ends their lines."""
    return {
        gateway_id: (known.active, known.ward_id, known.root is None, known.settings_number)
        for gateway_id, known in gateways.items()
    }
