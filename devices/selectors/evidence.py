"""Gathers what is known about one reading, for whoever may see the patient who wore the device then."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from compliance.errors import NotFound
from compliance.log.merkle import ProofRefused
from compliance.log.tiles import TileMissing
from compliance.models import LogEntry, Patient, User
from compliance.selectors import patients_for
from compliance.selectors.log import QUORUM, proof_for
from compliance.services.log_keys import log_signer, witnesses
from devices.evidence.checks import Facts, checks_of, open_frame, sealed_readings
from devices.evidence.logged import LogLink
from devices.evidence.outcome import Check, Outcome, verdict_of
from devices.evidence.waveforms import Rebuilt, checks_of_waveform, rebuild
from devices.kinds.registry import KINDS, Measurement
from devices.models import Device, DeviceHome, DevicePath, FrameSeal, Gateway, GatewaySession
from devices.models.paths import FIRST_NUMBER
from devices.protocol.frames import LIMIT_63, parse_header
from devices.protocol.suites import Suite
from devices.selectors import devices_for
from devices.selectors.keys import key_of_epoch
from devices.selectors.worn import span_at
from devices.telemetry import Reading, StoredGroup, TelemetryStore, Waveform
from devices.telemetry.lanes import lane_of


@dataclass(frozen=True, slots=True)
class Beside:
    """A value that was measured in the same moment and came in the same frame, such as the second of a pressure."""

    label: str
    value: str
    unit: str
    seq: int


@dataclass(frozen=True, slots=True)
class AlsoHeard:
    """Another gateway that brought the same reading, after it was kept."""

    gateway: Gateway | None
    received_at: datetime
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReadingEvidence:
    """One reading and everything that proves it."""

    device: Device
    patient: Patient | None
    measurement: Measurement | None
    facts: Facts
    session: GatewaySession | None
    gateway: Gateway | None
    seal: FrameSeal | None
    checks: list[Check]
    also: list[AlsoHeard]

    @property
    def verdict(self) -> Outcome:
        """The worst of the checks."""
        return verdict_of(self.checks)

    @property
    def frame_hash(self) -> str:
        """The SHA-256 that was kept of the frame, in hexadecimal digits."""
        stored, place = self.facts.stored, self.facts.place
        return "" if stored is None or place is None else stored.group.hash_of(place).hex()

    @property
    def root_hex(self) -> str:
        """The root that covers the frame, in hexadecimal digits."""
        return self.facts.root.hex() if self.facts.root else ""

    @property
    def measured_at(self) -> datetime:
        """By the device's clock."""
        return datetime.fromtimestamp(self.facts.reading.t, tz=UTC)

    @property
    def heard_at(self) -> datetime | None:
        """By its gateway's clock; None where the gateway did not say."""
        return _moment(self.facts.heard)

    @property
    def received_at(self) -> datetime:
        """By ours."""
        return datetime.fromtimestamp(self.facts.reading.received, tz=UTC)

    @property
    def value(self) -> str:
        """The value as people read it, without its unit."""
        return _words(self.facts.reading.value, self.measurement)

    @property
    def unit(self) -> str:
        """The unit as people write it."""
        return _unit(self.measurement)

    @property
    def beside(self) -> list[Beside]:
        """What the frame brought of the same moment: whoever may see one of them may see the others."""
        rows, me = sealed_readings(self.facts), self.facts.reading
        if rows is None:
            return []
        found = []
        for row in rows[(rows["t"] == me.t) & (rows["device"] == me.device) & (rows["seq"] != me.seq)]:
            known = _known(self.device, int(row["metric"]))
            if known is not None:
                found.append(Beside(known.label, _words(float(row["value"]), known), _unit(known), int(row["seq"])))
        return found


@dataclass(frozen=True, slots=True)
class WaveformEvidence(ReadingEvidence):
    """One waveform block and everything that proves it."""

    block: Waveform
    rebuilt: Rebuilt

    @property
    def length_s(self) -> float:
        """How long the block is."""
        return len(self.block.samples) * self.block.period_s


def reading_for(user: User, store: TelemetryStore, device_id: int, seq: int) -> ReadingEvidence:
    """Return the evidence of a reading that `user` may see. Raises NotFound when there is none, or none for them."""
    device = _device(user, device_id, seq)
    reading = store.reading(device_id, seq)
    if reading is None:
        raise NotFound
    return evidence_of(store, device, _patient_seen(user, device, reading), reading)


def own_reading(patient: Patient, store: TelemetryStore, device_id: int, seq: int) -> ReadingEvidence:
    """Return the evidence of a reading that was made while `patient` wore the device, for that patient alone.

    Raises NotFound for what does not exist, what was measured of somebody else, and what was measured of nobody.
    """
    device = _known_device(device_id, seq)
    reading = store.reading(device_id, seq)
    span = span_at(device_id, reading.t, reading.received) if reading is not None else None
    if reading is None or span is None or span.patient != patient.pk:
        raise NotFound
    return evidence_of(store, device, patient, reading)


def waveform_for(user: User, store: TelemetryStore, device_id: int, seq: int) -> WaveformEvidence:
    """Return the evidence of a waveform block that `user` may see. Raises NotFound."""
    device = _device(user, device_id, seq)
    stored = store.waveform(device_id, seq)
    if stored is None:
        raise NotFound
    block = stored.block
    received = block.t0 if stored.received is None else stored.received
    reading = Reading(device_id, seq, block.metric, block.t0, float("nan"), received)
    patient = _patient_seen(user, device, reading)
    facts, session, seal = _gather(store, device, reading)
    rebuilt = rebuild(block, facts)
    return WaveformEvidence(
        device=device,
        patient=patient,
        measurement=_measurement(device, reading),
        facts=facts,
        session=session,
        gateway=session.gateway if session else None,
        seal=seal,
        checks=list(checks_of_waveform(facts, rebuilt)),
        also=_also_heard(store, reading),
        block=block,
        rebuilt=rebuilt,
    )


def _device(user: User, device_id: int, seq: int) -> Device:
    _ = devices_for(user), patients_for(user)  # the policy is asked first: what is not there takes as long
    return _known_device(device_id, seq)


def _known_device(device_id: int, seq: int) -> Device:
    device = Device.objects.select_related("gateway__ward", "patient__ward").filter(pk=device_id).first()
    if device is None or seq >= LIMIT_63:
        raise NotFound
    return device


def _patient_seen(user: User, device: Device, reading: Reading) -> Patient | None:
    """Return whose reading it is, None for nobody's. Raises NotFound when `user` may not see it."""
    span = span_at(device.pk, reading.t, reading.received)
    if span is None:
        if not devices_for(user).filter(pk=device.pk).exists():
            raise NotFound
        return None
    patient = patients_for(user).select_related("ward").filter(pk=span.patient).first() if span.patient else None
    if patient is None:
        raise NotFound
    return patient


def evidence_of(store: TelemetryStore, device: Device, patient: Patient | None, reading: Reading) -> ReadingEvidence:
    """Return the evidence of a reading, for whoever was found to be allowed to see it."""
    facts, session, seal = _gather(store, device, reading)
    return ReadingEvidence(
        device=device,
        patient=patient,
        measurement=_measurement(device, reading),
        facts=facts,
        session=session,
        gateway=session.gateway if session else None,
        seal=seal,
        checks=list(checks_of(facts)),
        also=_also_heard(store, reading),
    )


def _also_heard(store: TelemetryStore, reading: Reading) -> list[AlsoHeard]:
    found = []
    for copy in store.copies(reading.device, [reading.seq]):
        stored, place = _frame_of(store, Reading(copy.device, copy.copy, 0, 0.0, 0.0, copy.received))
        session = _session_of(stored, place)
        gateway = session.gateway if session else None
        heard = stored.group.heard_at(place, copy.copy) if stored is not None and place is not None else None
        found.append(AlsoHeard(gateway, datetime.fromtimestamp(copy.received, tz=UTC), _moment(heard)))
    return found


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, tz=UTC)


def _session_of(stored: StoredGroup | None, place: int | None) -> GatewaySession | None:
    if stored is None or place is None:
        return None
    return GatewaySession.objects.select_related("gateway").filter(digest=stored.group.session_of(place)).first()


def _gather(
    store: TelemetryStore, device: Device, reading: Reading
) -> tuple[Facts, GatewaySession | None, FrameSeal | None]:
    stored, place = _frame_of(store, reading)
    if stored is None or place is None:
        return Facts(reading), None, None
    session = _session_of(stored, place)
    seal = FrameSeal.objects.filter(pk=uuid.UUID(stored.seal)).first() if stored.seal else None
    return _facts(store, device, reading, stored, place, session, seal), session, seal


def _frame_of(store: TelemetryStore, reading: Reading) -> tuple[StoredGroup | None, int | None]:
    for stored in store.groups_received(reading.received):
        if (place := stored.group.place_of(reading.device, reading.seq)) is not None:
            return stored, place
    return None, None


def _facts(
    store: TelemetryStore,
    device: Device,
    reading: Reading,
    stored: StoredGroup,
    place: int,
    session: GatewaySession | None,
    seal: FrameSeal | None,
) -> Facts:
    groups = store.groups_sealed(stored.seal) if stored.seal else []
    before = sum(len(group.group) for group in groups if group.number < stored.number)
    frame = stored.group.frame(place)
    entry, brought_by = stored.group.entries[place], session.gateway_id if session else None
    suite = Suite(parse_header(frame).suite) if frame else None
    path = _path_of(device, frame, brought_by, lane_of(reading.seq))
    held = key_of_epoch(device, int(entry["epoch"]), brought_by, suite=suite, path=path)
    return Facts(
        reading=reading,
        stored=stored,
        place=place,
        number=path.number if path else device.pk if lane_of(reading.seq) else None,
        key=held.key if held else None,
        suite=held.suite if held else Suite.ASCON_AEAD128,
        payload=open_frame(frame, held.key) if frame and held else None,
        transcript=session.transcript if session else None,
        leaves=[leaf for group in groups for leaf in group.group.leaves()],
        index=before + place,
        root=bytes(seal.root) if seal else None,
        link=link_of(LogEntry.objects.filter(pk=seal.entry_id or 0).first()) if seal else None,
        unlogged=seal is None and stored.seal in {one.name for one in store.unlogged_seals()},
    )


def _path_of(device: Device, frame: bytes | None, gateway_id: int | None, lane: int) -> DevicePath | None:
    """Return the path by which a frame came; None where it named the device by its own number.

    Where the frame is not kept, as of waveforms, its gateway and lane tell.
    """
    if frame:
        number = parse_header(frame).device - FIRST_NUMBER
        return DevicePath.objects.filter(device=device, pk=number).first() if number >= 0 else None
    if not lane or DeviceHome.objects.filter(device=device, gateway=gateway_id, lane=lane).exists():
        return None
    return DevicePath.objects.filter(device=device, gateway=gateway_id).first()


def link_of(entry: LogEntry | None) -> LogLink | None:
    """Return an entry of the log with the way to its signed head; None for no entry."""
    if entry is None:
        return None
    proof, trouble = None, ""
    try:
        proof = proof_for(entry)
    except (TileMissing, ProofRefused) as error:  # somebody cut the stored tree
        trouble = str(error)
    return LogLink(
        record=entry.record,
        salt=bytes(entry.salt) if entry.salt else None,
        commitment=bytes(entry.commitment),
        index=entry.leaf_index,
        path=proof.path if proof else (),
        note=proof.checkpoint.note if proof else "",
        log=log_signer().verifier,
        witnesses=[one.verifier for one in witnesses()],
        quorum=QUORUM,
        trouble=trouble,
    )


def _measurement(device: Device, reading: Reading) -> Measurement | None:
    return _known(device, reading.metric)


def _known(device: Device, code: int) -> Measurement | None:
    kind = KINDS.get(device.kind)
    return next((one for one in kind.measurements if one.code == code), None) if kind else None


def _words(value: float, measurement: Measurement | None) -> str:
    if measurement is None:
        return f"{value:g}"
    if measurement.values:
        return measurement.values.get(int(value), f"{value:g}")
    return f"{value:.{measurement.decimals}f}"


def _unit(measurement: Measurement | None) -> str:
    return "" if measurement is None or measurement.values else measurement.unit_label
