"""From the store to the outbox: what came since the last time becomes messages, together with the cursors' move.

Reads the store on a timer of its own, so that taking readings in does not know of it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from compliance.keyring import field_box
from compliance.models import EventCategory, Patient
from compliance.secretbox import SecretBox
from compliance.services.events import record_event
from devices.hl7 import Due, Report, build_report, sample
from devices.models import Device, HL7Cursor, HL7Destination, HL7Message, MessageState
from devices.selectors.hl7 import devices_told_of
from devices.selectors.streams import streams_told
from devices.selectors.worn import Wear
from devices.services.hl7_reports import reports_of
from devices.services.telemetry import store
from devices.telemetry import Reading
from devices.telemetry.lanes import device_of, lane_in, stream_of

log = logging.getLogger(__name__)
PAGE, MOST_PAGES = 5000, 40
SETTLE_S = 3.0  # a frame that was refused for the moment may come behind its successor; it does so within seconds
MOST_WAITING = 10_000  # then readings stay in the store, where they take no more room
KEEP_ACCEPTED = timedelta(days=7)


@dataclass(slots=True)
class _Catch:
    """What one round found: readings to report by device, and how far each of its streams was read."""

    due: dict[int, list[Due]] = field(default_factory=lambda: defaultdict(list))
    read_to: dict[int, int] = field(default_factory=dict)


def collect(*, destination: HL7Destination, now: datetime) -> int:
    """Put messages about everything new into the outbox and return how many. Raises StoreUnavailable."""
    waiting = HL7Message.objects.filter(destination=destination, state=MessageState.WAITING).count()
    if waiting >= MOST_WAITING:
        _say_full(destination)
        return 0
    devices = {device.pk: device for device in devices_told_of(destination)}
    cursors = _cursors(destination, devices, now)
    catch = _read(destination, cursors, now)
    reports = reports_of(destination, devices, catch.due, now)
    messages = [_message(destination, report, patient) for report, patient in reports]
    for cursor in cursors.values():
        cursor.seq = catch.read_to.get(cursor.stream, cursor.seq)
    with transaction.atomic():
        HL7Cursor.objects.filter(destination=destination).exclude(device__in=devices).delete()
        HL7Cursor.objects.bulk_create(
            cursors.values(),
            update_conflicts=True,
            unique_fields=["destination", "device", "lane"],
            update_fields=["patient", "seq", "starts_at"],
        )
        HL7Message.objects.bulk_create(messages)
        HL7Destination.objects.filter(pk=destination.pk).update(collected_at=now)
    return len(messages)


def forget_accepted(*, destination: HL7Destination, now: datetime) -> None:
    """Delete the rows of messages that were accepted a week ago; their content went when they were."""
    old = HL7Message.objects.filter(
        destination=destination, state=MessageState.ACCEPTED, answered_at__lt=now - KEEP_ACCEPTED
    )
    HL7Message.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:1000])).delete()


def content_of(message: HL7Message) -> bytes:
    """Return the message as it goes out. Raises SecretUnreadable."""
    return _box().open(bytes(message.content_sealed))


def _box() -> SecretBox:
    return field_box("hl7-outbox")


def _say_full(destination: HL7Destination) -> None:
    record_event(
        category=EventCategory.OPERATION,
        code="hl7_outbox_full",
        message="An HL7 receiver takes too little: new readings wait in the store until it does.",
        detail={"destination": destination.pk},
        fold=True,
    )


def _cursors(destination: HL7Destination, devices: Mapping[int, Device], now: datetime) -> dict[int, HL7Cursor]:
    """Return a cursor for each stream. What is new here, or on another patient now, begins at this moment.

    What it measured before may be somebody else's, and nobody's readings may be sent under another's name.
    """
    held = {
        cursor.stream: cursor
        for cursor in HL7Cursor.objects.filter(destination=destination, device__in=devices)
        if cursor.patient_id == devices[cursor.device_id].patient_id
    }
    fresh = [stream for stream in streams_told(devices) if stream not in held]
    newest = store().ends(fresh) if fresh else {}
    for stream in fresh:
        device = devices[device_of(stream)]
        held[stream] = HL7Cursor(
            destination=destination,
            device=device,
            patient=device.patient,
            lane=lane_in(stream),
            seq=newest.get(stream, 0),
            starts_at=now,
        )
    return held


def _read(destination: HL7Destination, cursors: Mapping[int, HL7Cursor], now: datetime) -> _Catch:
    """Read page by page what is beyond the cursors; memory holds one page and the samples of all."""
    catch = _Catch()
    wear = Wear({cursor.patient_id for cursor in cursors.values()})  # a device may have been away and come back
    open_at = {stream: cursor.seq for stream, cursor in cursors.items()}
    for _ in range(MOST_PAGES):
        page = store().since(open_at, PAGE) if open_at else []
        for stream, readings in _by_stream(page):
            settled = list(_settled(readings, now.timestamp() - SETTLE_S))
            if settled:
                open_at[stream] = catch.read_to[stream] = settled[-1].seq
            if len(settled) < len(readings):
                del open_at[stream]
            device, since, wearer = device_of(stream), cursors[stream].starts_at.timestamp(), cursors[stream].patient_id
            mine = [r for r in settled if r.t >= since and wear.patient(device, r.t, r.received) == wearer]
            catch.due[device] += sample(mine, destination.metrics, destination.period_s)
        if len(page) < PAGE:
            break
    return catch


def _by_stream(page: Sequence[Reading]) -> Iterable[tuple[int, list[Reading]]]:
    groups: dict[int, list[Reading]] = defaultdict(list)
    for reading in page:
        groups[stream_of(reading.device, reading.seq)].append(reading)
    return groups.items()


def _settled(readings: Iterable[Reading], before: float) -> Iterator[Reading]:
    for reading in readings:
        if reading.received > before:
            return
        yield reading


def _message(destination: HL7Destination, report: Report, patient: Patient) -> HL7Message:
    return HL7Message(
        destination=destination,
        patient=patient,
        control_id=report.control_id,
        content_sealed=_box().seal(build_report(report)),
        observations=len(report.observations),
    )
