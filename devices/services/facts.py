"""Keep what gateways did on their own: once each, as an event on the record of whoever wore the device then.

Runs in the ingest writer before the frames are acknowledged, so that a fact is on record or comes again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from compliance.models import EventCategory, NoticePriority, Patient
from compliance.services.events import record_event
from compliance.services.notices import raise_notice
from devices.models import Device, EdgeFact
from devices.protocol.facts import QUIET, SWITCHED_OFF, Fact, FactKind, ToldFact
from devices.selectors.worn import span_at

# What happened, for the log: without numbers, since the log is never erased. They stand beside the sealed frame.
WORDS = {
    ("severe_low", FactKind.ACTED): "stopped the insulin pump for severe low glucose",
    ("severe_low", FactKind.RESUMED): "let the insulin pump run again",
    ("severe_low", FactKind.ALARM): "gave a local alarm for severe low glucose",
    ("sensor_silent", FactKind.ACTED): "went back to the programmed basal rate, since no glucose came",
    ("sensor_silent", FactKind.ALARM): "gave a local alarm, since no glucose came",
    ("pump_trouble", FactKind.ALARM): "gave a local alarm for a pump that reports trouble",
    ("over_infusion", FactKind.ALARM): "gave a local alarm for a pump that delivered more than was due",
    ("low_reservoir", FactKind.ALARM): "gave a local alarm for a reservoir that is nearly empty",
    ("low_battery", FactKind.ALARM): "gave a local alarm for a battery that is nearly empty",
}
OTHERWISE = {
    FactKind.ACTED: "acted on its own",
    FactKind.ALARM: "gave a local alarm",
    FactKind.RESUMED: "gave back what it had stopped",
    FactKind.OVER: "saw the end of a local alarm",
    FactKind.ACKNOWLEDGED: "had a local alarm acknowledged",
    FactKind.SET: "took other settings for a device",
    FactKind.CLOCK: "judged a device's clock",
    FactKind.DROPPED: "gave up what it had measured, because its disk was full",
    FactKind.SENDING: "chose how to send a device's readings",
    FactKind.LINK: "told how well it hears a device",
    FactKind.ABOUT: "told what a device says of itself",
}
LINKS_KEPT = timedelta(days=30)  # figures of the air: of use for finding what is wrong with a place, not for ever
ABOUTS_KEPT = 20  # of each device, and the newest that names a firmware: a device writes these texts as it likes
FIRMWARE_NEWS_EVERY = timedelta(hours=1)  # what changes more often is counted in one event
TOLD_AT_ONCE = (FactKind.ACTED, FactKind.RESUMED)


class Arrived(NamedTuple):
    """A fact with the frame that brought it. session: digest of the connection of that gateway.

    lane: by which path it came; each gateway numbers its facts apart from the others (devices.telemetry.lanes).
    """

    told: ToldFact
    frame: bytes
    session: bytes
    gateway_id: int
    lane: int


@transaction.atomic
def keep_facts(arrived: Sequence[Arrived], received_at: float) -> int:
    """Store the facts that are new, each with its event, and return how many were. received_at: s since the epoch."""
    return sum(_keep(one, received_at) for one in arrived)


def _keep(arrived: Arrived, received_at: float) -> bool:
    seq, fact = arrived.told
    device = Device.objects.select_related("gateway").get(pk=fact.device_id)
    span = span_at(device.pk, fact.t, received_at)
    patient = Patient.objects.filter(pk=span.patient).first() if span and span.patient else None
    at = datetime.fromtimestamp(min(fact.t, received_at), tz=UTC)  # as for readings: a clock ahead decides nothing
    kept, new = EdgeFact.objects.get_or_create(
        device=device,
        lane=arrived.lane,
        seq=seq,
        defaults={
            "gateway_id": arrived.gateway_id,
            "patient": patient,
            "at": at,
            "received_at": datetime.fromtimestamp(received_at, tz=UTC),
            "kind": fact.kind,
            "rule": fact.rule,
            "alarm": fact.alarm,
            "seen": fact.seen,
            "done": fact.done,
            "cut_off": fact.cut_off,
            "values": fact.values,
            "texts": fact.texts,
            "frame": arrived.frame,
            "session": arrived.session,
        },
    )
    told = fact.kind not in QUIET and not _is_detail(fact)  # the rest is on the device's page; there would be many
    if new and told:
        _announce(kept, fact, arrived)
    elif new and fact.kind is FactKind.LINK:
        # By when they came: a gateway whose clock is wrong would have what it tells deleted as it is stored.
        old = kept.received_at - LINKS_KEPT
        EdgeFact.objects.filter(device=device, kind=FactKind.LINK, received_at__lt=old).delete()
    elif new and fact.kind is FactKind.ABOUT:
        _compare_firmware(kept, arrived)
    return new


def _compare_firmware(kept: EdgeFact, arrived: Arrived) -> None:
    """Record that a device came back with other firmware. Which one is not in the log: the device wrote that text.

    The former is what it named last, however often it named none since, in the order in which the server heard of it.
    """
    told = EdgeFact.objects.filter(device=kept.device, kind=FactKind.ABOUT).exclude(pk=kept.pk)
    earlier = told.order_by("-received_at", "-pk").values_list("pk", "texts")
    named = ((pk, texts["firmware"]) for pk, texts in earlier.iterator() if texts.get("firmware"))
    named_in, before = next(named, (kept.pk, ""))
    firmware = kept.texts.get("firmware", "")
    few = [pk for pk, _ in earlier[: ABOUTS_KEPT - 1]]
    told.exclude(pk__in=[*few, named_in]).delete()
    if not before or not firmware or before == firmware:
        return
    record_event(
        category=EventCategory.SECURITY,
        code="device_firmware_changed",
        message="A device says that it runs other firmware than before.",
        patient=kept.patient,
        ward_id=None if kept.patient is not None else kept.device.gateway.ward_id,
        device_id=kept.device_id,
        gateway_id=arrived.gateway_id,
        detail={"seq": kept.seq, "frame_sha256": hashlib.sha256(arrived.frame).hexdigest()},
        fold=True,
        fold_within=FIRMWARE_NEWS_EVERY,
    )


def _is_detail(fact: Fact) -> bool:
    """Tell whether another fact of the same settings speaks for this one: each rule tells of itself what runs."""
    return fact.kind is FactKind.SET and fact.rule != "settings" and not fact.values.get("refused")


def _announce(kept: EdgeFact, fact: Fact, arrived: Arrived) -> None:
    message = sentence(kept, fact)
    clinical = fact.kind in TOLD_AT_ONCE and kept.patient is not None
    record_event(
        category=EventCategory.CLINICAL if clinical else EventCategory.OPERATION,
        code=f"edge_{fact.kind}",
        message=message,
        patient=kept.patient,
        ward_id=None if kept.patient is not None else kept.device.gateway.ward_id,
        device_id=kept.device_id,
        gateway_id=arrived.gateway_id,
        detail={
            "rule": fact.rule,
            "at": kept.at.isoformat(),
            "cut_off": fact.cut_off,
            "seq": kept.seq,
            "frame_sha256": hashlib.sha256(arrived.frame).hexdigest(),
            "session": arrived.session.hex(),
        },
    )
    if fact.kind in TOLD_AT_ONCE:
        raise_notice(
            code=f"gateway_{fact.kind}",
            subject=f"device-{kept.device_id}-{fact.alarm}",
            message=f"{message} See the device's page, and look after the patient.",
            priority=NoticePriority.HIGH,
            ward_id=kept.device.gateway.ward_id,
            link=f"/devices/{kept.device_id}/",
        )
    elif fact.kind is FactKind.DROPPED:
        gateway = kept.device.gateway
        raise_notice(
            code="gateway_dropped",
            subject=f"gateway-{gateway.pk}",
            message=f"{gateway.name} gave up what it had measured, because its disk was full. Dose events are kept. "
            "Bring its line back, or give it more room; its devices' pages say what is missing.",
            priority=NoticePriority.MEDIUM,
            ward_id=gateway.ward_id,
            link=f"/devices/gateways/{gateway.pk}/",
        )


def sentence(kept: EdgeFact, fact: Fact) -> str:
    """Return "At 03:12 (Europe/Berlin), cut off from the server, the gateway ...", in the patient's zone."""
    zone = ZoneInfo(kept.patient.time_zone) if kept.patient is not None else settings.HOUSE_TIME_ZONE
    words = WORDS.get((fact.rule, fact.kind), OTHERWISE[fact.kind])
    if fact.kind is FactKind.SET and fact.values.get("refused"):
        words = "did not take every setting for a device"
    elif fact.kind is FactKind.OVER and fact.values.get(SWITCHED_OFF):
        words = "ended a local alarm, because its rule was switched off"
    cut_off = ", cut off from the server," if fact.cut_off else ""
    return f"At {kept.at.astimezone(zone):%H:%M} ({zone.key}){cut_off} the gateway {words}."
