"""Everything that happened around a patient or a device, from each of its sources, as one list in pages.

Every source answers "the newest so many before this place"; merged, their newest make the page. What a reader may not
see is left out by the lanes that are asked for, before any query.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import reduce
from operator import or_
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.db.models import Model, Q, QuerySet
from django.urls import reverse

from compliance.adherence.fusion import Finding
from compliance.models import Event, Intake, IntakeSource, Patient, User
from compliance.selectors import scope_for, within_scope
from devices.models import Device, DeviceAssignment, GatewaySession
from twin.models import Alert, AlertStep, StepKind
from twin.timeline.entry import EVENT_KEY, Asked, Cursor, Entry, Lane, folded, newest_first
from twin.timeline.lanes import BY_CATEGORY, RULES, lane_of

M = TypeVar("M", bound=Model)

RIGHTS = {
    Lane.ALARM: "twin.view_alert",
    Lane.MEDICATION: "compliance.view_adherence",
    Lane.IMAGES: "imaging.view_study",
    Lane.CARE: "compliance.view_patient",
    Lane.DEVICES: "devices.view_device",
    Lane.SECURITY: "twin.view_security_events",
}
ACTS = (StepKind.ACKNOWLEDGED, StepKind.SNOOZED, StepKind.REOPENED, StepKind.RESOLVED, StepKind.ESCALATED)
FOUND = {
    Finding.TAKEN: "A dose was taken out of the pillbox",
    Finding.DOUBLE: "Two doses were taken out of the pillbox",
    Finding.SEVERAL: "Three or more doses were taken out of the pillbox",
    Finding.OPENED: "The pillbox was opened, nothing taken out",
    Finding.REFILLED: "The pillbox was refilled",
    Finding.UNCLEAR: "The pillbox was opened; its sensors disagree",
}
GRAVITY = ("high", "medium", "low")
DIGEST_READS, DIGEST_LENGTH = 120, 40
SAME_S = 3600.0  # in the digest, what says the same within an hour is one line with a count
PICTURE_READS, PICTURE_COLUMNS = 3000, 160
LOOKED = "record_viewed"
TIES = 20  # rows of one moment that a page may have to skip


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, newest first, and where the next page begins; None at the end."""

    entries: list[Entry]
    more: Cursor | None


@dataclass(frozen=True, slots=True)
class Axis:
    """Whose timeline it is, and for whose eyes."""

    user: User
    patient: Patient | None
    device: Device | None = None

    def lanes(self) -> frozenset[Lane]:
        """Return the lanes that the reader may see here."""
        thing = self.device if self.device is not None else self.patient
        return frozenset(lane for lane, right in RIGHTS.items() if self.user.has_perm(right, thing))

    def owned(self, rows: QuerySet[M], right: str) -> QuerySet[M]:
        """Keep the rows with a patient that concern this axis and lie in the reader's reach."""
        about = Q(device_id=self.device.pk) if self.device is not None else Q(patient=self.patient)
        return within_scope(rows.filter(about), scope_for(self.user, right))


@dataclass(frozen=True, slots=True)
class Question:
    """What one page asks of each source."""

    axis: Axis
    asked: Asked
    lanes: frozenset[Lane]
    cursor: Cursor
    limit: int
    looks: bool = True  # who looked at the record, too

    def cut(self, rows: QuerySet[M], field: str, *texts: str) -> QuerySet[M]:
        """Keep what lies in the time asked for, before the cursor, and has the words; newest first."""
        spans = {f"{field}__gte": self.asked.since, f"{field}__lt": self.asked.until, f"{field}__lte": self.cursor.at}
        rows = rows.filter(**{name: at for name, at in spans.items() if at is not None})
        if self.asked.text:
            rows = rows.filter(reduce(or_, (Q(**{f"{text}__icontains": self.asked.text}) for text in texts)))
        return rows.order_by(f"-{field}", "-pk")[: self.limit + TIES]


def page_of(axis: Axis, asked: Asked, cursor: Cursor, limit: int, *, looks: bool = True) -> Page:
    """Return a page of the timeline, without what the reader may not see, or without `looks` at the record."""
    lanes = axis.lanes() & asked.lanes
    if asked.priority:
        lanes &= {Lane.ALARM}  # nothing else has a priority
    question = Question(axis, asked, lanes, cursor, limit, looks)
    found = [entry for source in SOURCES for entry in source(question) if cursor.precedes(entry)]
    entries = newest_first(found)
    shown = entries[:limit]
    return Page(shown, Cursor.after(shown[-1]) if len(entries) > limit else None)


def digest_of(user: User, patient: Patient) -> list[Entry]:
    """Return the newest facts around a patient, what says the same as one line, with days of the patient's zone.

    Who looked would push what happened off the page; it stands on the whole timeline.
    """
    entries = page_of(Axis(user, patient), Asked(), Cursor(), DIGEST_READS, looks=False).entries
    return folded(in_zone(entries, patient.time_zone), SAME_S)[:DIGEST_LENGTH]


def in_zone(entries: Iterable[Entry], zone: str) -> list[Entry]:
    """Return the entries with their times in a zone."""
    return [replace(entry, at=entry.at.astimezone(ZoneInfo(zone))) for entry in entries]


def grouped_by_day(entries: Iterable[Entry]) -> dict[date, list[Entry]]:
    """Return the entries by calendar day, in their order."""
    days: dict[date, list[Entry]] = defaultdict(list)
    for entry in entries:
        days[entry.at.date()].append(entry)
    return dict(days)


def picture_of(axis: Axis, asked: Asked, t_from: float, t_to: float) -> dict[str, list[tuple[float, int, str]]]:
    """Return lane -> [(t, entries, gravest priority)] of a span of time in s since the Unix epoch, in few columns."""
    since, until = (datetime.fromtimestamp(t, tz=UTC) for t in (t_from, t_to))
    found = page_of(axis, replace(asked, since=since, until=until), Cursor(), PICTURE_READS).entries
    width = (t_to - t_from) / PICTURE_COLUMNS
    cells: dict[tuple[Lane, int], list[Entry]] = defaultdict(list)
    for entry in found:
        cells[entry.lane, int((entry.at.timestamp() - t_from) / width)].append(entry)
    lanes: dict[str, list[tuple[float, int, str]]] = {lane.value: [] for lane in Lane if lane in axis.lanes()}
    for (lane, column), some in sorted(cells.items()):
        gravest = min((entry.priority for entry in some if entry.priority), key=GRAVITY.index, default="")
        lanes[lane.value].append((t_from + (column + 0.5) * width, sum(entry.count for entry in some), gravest))
    return lanes


def _events(question: Question) -> Iterator[Entry]:
    """Yield events. Each part is asked for by itself: only so does an index give the newest without reading all."""
    lanes = question.lanes - {Lane.ALARM}
    if not lanes:
        return
    for rows in _parts(question.axis, lanes):
        found = rows if question.looks else rows.exclude(code=LOOKED)
        cut = question.cut(found, "at", "message", "code", "user__username", "user__last_name")
        yield from map(_event, cut.select_related("user"))


def _event(event: Event) -> Entry:
    return Entry(
        at=event.at,
        key=f"{EVENT_KEY}{event.pk}",
        lane=lane_of(event.category, event.code),
        text=event.message,
        who=event.user.display_name if event.user else "",
        count=event.count,
        evidence=reverse("twin:event_evidence", args=[event.pk]),
    )


def _parts(axis: Axis, lanes: frozenset[Lane]) -> Iterator[QuerySet[Event]]:
    """Yield the events that an axis is about and the reader may see.

    Of the patient, whose lanes the axis has asked the policy for; of devices while the patient wore them, where an
    event names nobody; or of one device, whoever wore it.
    """
    if axis.device is None:
        yield Event.objects.filter(_in_lanes(lanes), patient=axis.patient)
        worn = [Q(device_id=device.pk) & _between("at", within) for device, within in _worn(axis.patient)]
        abouts = [Q(patient__isnull=True) & about for about in worn]
    else:
        abouts = [Q(device_id=axis.device.pk)]
    for about in abouts:
        for lane in lanes:
            rows = Event.objects.filter(lane_query(lane) & about)
            yield within_scope(rows, scope_for(axis.user, RIGHTS[lane]), ward_field="ward_id")


def _in_lanes(lanes: frozenset[Lane]) -> Q:
    """Return which events belong to any of the lanes; nothing to ask where all do."""
    if lanes == frozenset(Lane) - {Lane.ALARM}:
        return Q()
    return reduce(or_, map(lane_query, sorted(lanes)))


def event_for(user: User, event_id: int) -> Event | None:
    """Return an event that `user` may see on some timeline."""
    scopes = {right: scope_for(user, right) for right in RIGHTS.values()}  # first: what is not there takes as long
    event = Event.objects.select_related("user", "patient").filter(pk=event_id).first()
    if event is None:
        return None
    scope = scopes[RIGHTS[lane_of(event.category, event.code)]]
    return event if scope.covers(event.policy_resource()) else None


def _worn(patient: Patient | None) -> Iterator[tuple[Device, DeviceAssignment]]:
    """Yield the devices that the patient wears or wore, each with the span of time."""
    for held in DeviceAssignment.objects.filter(patient=patient).select_related("device"):
        yield held.device, held


def _between(moment: str, span: DeviceAssignment) -> Q:
    began = Q(**{f"{moment}__gte": span.starts_at})
    return began & Q(**{f"{moment}__lt": span.ends_at}) if span.ends_at else began


def lane_query(lane: Lane) -> Q:
    """Return which events belong to a lane: `lane_of` as a query."""
    found, before = Q(pk__in=[]), Q(pk__in=[])
    for rule in RULES:
        fits = Q(code__startswith=rule.prefix)
        if rule.lane is lane:
            found |= fits & ~before
        before |= fits
    rest = [category for category, wanted in BY_CATEGORY.items() if wanted is lane]
    return found | Q(category__in=rest) & ~before


def _alarms(question: Question) -> Iterator[Entry]:
    if Lane.ALARM not in question.lanes:
        return
    rows = question.axis.owned(Alert.objects.all(), RIGHTS[Lane.ALARM])
    if question.asked.priority:
        rows = rows.filter(priority=question.asked.priority)
    for alert in question.cut(rows, "raised_at", "message"):
        yield _alarm(alert, alert.raised_at, "a", alert.message, alert.priority)
    for alert in question.cut(rows.filter(resolved_at__isnull=False, resolved_by=None), "resolved_at", "message"):
        yield _alarm(alert, alert.resolved_at or alert.raised_at, "r", f"Over: {alert.message}")


def _alarm(alert: Alert, at: datetime, mark: str, text: str, priority: str = "") -> Entry:
    evidence = reverse("twin:alert_evidence", args=[alert.pk])
    return Entry(at, f"{mark}{alert.pk}", Lane.ALARM, text, priority, evidence=evidence)


def _alarm_acts(question: Question) -> Iterator[Entry]:
    if Lane.ALARM not in question.lanes:
        return
    alerts = question.axis.owned(Alert.objects.all(), RIGHTS[Lane.ALARM])
    if question.asked.priority:
        alerts = alerts.filter(priority=question.asked.priority)
    rows = AlertStep.objects.filter(alert__in=alerts, kind__in=ACTS).select_related("user", "alert")
    for step in question.cut(rows, "at", "alert__message", "user__username", "user__last_name"):
        entry = _alarm(step.alert, step.at, "s", f"{step.get_kind_display()}: {step.alert.message}")
        yield replace(entry, key=f"s{step.pk}", who=step.user.display_name)


def _intakes(question: Question) -> Iterator[Entry]:
    if Lane.MEDICATION not in question.lanes:
        return
    # What a person entered is an event already.
    seen = Intake.objects.filter(withdrawn_at__isnull=True).exclude(source=IntakeSource.MANUAL)
    rows = question.axis.owned(seen, RIGHTS[Lane.MEDICATION])
    for intake in question.cut(rows, "at", "finding"):
        evidence = reverse("twin:intake_evidence", args=[intake.pk])
        yield Entry(intake.at, f"i{intake.pk}", Lane.MEDICATION, FOUND[Finding(intake.finding)], evidence=evidence)


def _gateways(question: Question) -> Iterator[Entry]:
    if Lane.DEVICES not in question.lanes:
        return
    axis = question.axis
    rows = GatewaySession.objects.select_related("gateway")
    for session in question.cut(rows.filter(_carried(axis, "opened_at")), "opened_at", "gateway__name"):
        yield Entry(session.opened_at, f"g{session.pk}", Lane.DEVICES, f"Gateway {session.gateway.name} connected")
    for session in question.cut(rows.filter(_carried(axis, "closed_at")), "closed_at", "gateway__name"):
        text = f"Gateway {session.gateway.name} disconnected"
        yield Entry(session.closed_at or session.opened_at, f"h{session.pk}", Lane.DEVICES, text)


def _carried(axis: Axis, moment: str) -> Q:
    """Return which sessions carried what the axis is about: those of the device, or of devices while they were worn."""
    if axis.device is not None:
        return Q(gateway=axis.device.gateway_id, **{f"{moment}__isnull": False})
    worn = (Q(gateway=device.gateway_id) & _between(moment, within) for device, within in _worn(axis.patient))
    return reduce(or_, worn, Q(pk__in=[]))


SOURCES: tuple[Callable[[Question], Iterator[Entry]], ...] = (_events, _alarms, _alarm_acts, _intakes, _gateways)
