"""What stands behind the figures of the analytics pages, and behind a patient's doses: the rows that were counted.

A figure is a sum; its evidence is the list of what was summed, each row leading to its own proof. Rows are asked for
with the reader's own rights, by the same selectors that made the figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from compliance.adherence.measures import COUNTED, DoseState
from compliance.models import Event, Patient, ScheduledDose, User
from compliance.selectors import scope_for, within_scope
from devices.energy.links import LINKS
from devices.energy.words import energy
from devices.selectors import is_up
from twin.selectors.adherence import adherence_summary
from twin.selectors.analytics import Filters
from twin.selectors.energy import usage_for
from twin.selectors.evidence import Fact, Panel
from twin.selectors.security import ATTACKS, SIGN_IN, events_for, gateways_for, held_for
from twin.selectors.timeline import event_for

SHOWN = 25  # rows of a panel; it says how many there are
MEDICATION = "compliance.view_adherence"
GROUPS = {"attacks": ATTACKS, "sign_in": SIGN_IN}


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a page a figure stands for. What is empty narrows nothing."""

    since: datetime | None = None
    until: datetime | None = None
    link: str = ""
    code: str = ""
    device: int | None = None
    patient: UUID | None = None
    missed: bool = False
    hop: str = ""
    risk_from: float | None = None
    risk_to: float | None = None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Part:
        """Read `from`, `to` (s since the Unix epoch), `link`, `code`, `device`, `patient`, `missed`, `hop`, risks."""
        device = query.get("device", "")
        return cls(
            since=_moment(query.get("from", "")),
            until=_moment(query.get("to", "")),
            link=query.get("link", "")[:16],
            code=query.get("code", "")[:64],
            device=int(device) if device.isascii() and device.isdigit() and len(device) < 19 else None,
            patient=_uuid(query.get("patient", "")),
            missed="missed" in query,
            hop=query.get("hop", "")[:16],
            risk_from=_share(query.get("risk_from", "")),
            risk_to=_share(query.get("risk_to", "")),
        )


def energy_figure(user: User, filters: Filters, part: Part) -> Panel:
    """Return the minutes and hours whose energy a figure adds up."""
    rows = usage_for(user, filters)
    narrowed = {
        "starts_at__gte": part.since, "starts_at__lt": part.until, "link": part.link or None,
        "device_id": part.device, "patient_id": part.patient, "hop": part.hop or None,
    }  # fmt: skip
    rows = rows.filter(**{name: value for name, value in narrowed.items() if value is not None})
    count, shown = rows.count(), rows.select_related("device").order_by("-starts_at", "-pk")[:SHOWN]
    facts = [_counted(count, "rows of a minute or an hour, by device and hop")]
    facts += [
        Fact(
            f"{row.starts_at:%-d %b %H:%M} UTC, {row.device.label}",
            f"{row.get_hop_display().lower()}, {_link(row.link)}: {row.messages} messages, "
            f"{row.payload_bytes + row.overhead_bytes} B, {energy(row.radio_j + row.cpu_j)}",
            reverse("twin:energy_evidence", args=[row.device_id]),
        )
        for row in shown
    ]
    sentence = "Messages and bytes were counted as frames came; energy is a model's answer to them, not a measurement."
    return Panel("Energy: what was added up", sentence, facts, shown_patients=[row.patient_id for row in shown])


def security_figure(user: User, filters: Filters, part: Part) -> Panel:
    """Return the events that a figure counts; each leads to its entry in the log."""
    if part.code in HOUSE:
        return HOUSE[part.code](user, filters)
    rows = events_for(user, filters)
    if part.code in GROUPS:
        rows = rows.filter(code__in=GROUPS[part.code])
    elif part.code == "refused":
        rows = rows.filter(code__startswith="frame_") | rows.filter(code__startswith="reading_")
    elif part.code:
        rows = rows.filter(code=part.code)
    if part.since is not None:
        rows = rows.filter(at__gte=part.since)
    if part.until is not None:
        rows = rows.filter(at__lt=part.until)
    count = rows.aggregate(times=Sum("count"))["times"] or 0
    facts = [_counted(count, "events; a flood of the same within a minute is one row that counts")]
    shown = rows.select_related("patient", "user").order_by("-at", "-pk")[:SHOWN]
    facts += [_event(user, event) for event in shown]
    sentence = "Each row is an event; the log committed to it as it happened."
    whose = [event.patient_id for event in shown]
    return Panel("Security: what was counted", sentence, facts, shown_patients=whose)


def _event(user: User, event: Event) -> Fact:
    times = f", {event.count} times" if event.count > 1 else ""
    link = reverse("twin:event_evidence", args=[event.pk]) if event_for(user, event.pk) is not None else ""
    return Fact(f"{event.at.astimezone(UTC):%-d %b %H:%M:%S} UTC", f"{event.message}{times}", link)


def _gateways(user: User, filters: Filters) -> Panel:
    now, heard = timezone.now(), list(gateways_for(user, filters).exclude(last_seen_at=None).order_by("name"))
    facts = [_counted(len(heard), "gateways that were heard at least once", len(heard))]
    facts += [
        Fact(f"{one.name}, {one.ward.name}", f"{'up' if is_up(one, now) else 'silent'}, heard {_utc(one.last_seen_at)}")
        for one in heard
    ]
    return Panel("Gateways: which are up", "A gateway is up while it was heard a moment ago.", facts)


def _held(user: User, _filters: Filters) -> Panel:
    rows = held_for(user)
    facts = [_counted(rows.count(), "devices in quarantine")]
    facts += [Fact(one.label, f"{one.serial}, in quarantine") for one in rows.order_by("-pk")[:SHOWN]]
    return Panel("Security: devices in quarantine", "What they send is refused until somebody releases them.", facts)


def _utc(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%-d %b %H:%M:%S} UTC" if at else "never"


HOUSE = {"gateways": _gateways, "held": _held}


def _risks(user: User, filters: Filters, part: Part) -> Panel:
    """Return the estimates of a bar, with those at its lower end; each leads to its model and reasons."""
    low, high = part.risk_from or 0.0, part.risk_to
    found = [
        (entry.patient, entry.risk)
        for entry in adherence_summary(user, filters).patients
        if entry.risk and entry.risk.probability >= low and (high is None or entry.risk.probability < high)
    ]
    shown = sorted(found, key=lambda one: -one[1].probability)[:SHOWN]
    facts = [
        Fact("Counted", f"{len(found):,} estimates" + (f"; the {SHOWN} highest follow" if len(found) > SHOWN else ""))
    ]
    facts += [
        Fact(who.name, f"{risk.probability * 100:.0f} %", reverse("twin:risk_evidence", args=[risk.dose_id]))
        for who, risk in shown
    ]
    sentence = "The newest estimate for each patient's next dose, by a model that learnt from made-up histories."
    return Panel("Risk of missing the next dose", sentence, facts, shown_patients=[who.pk for who, _ in shown])


def adherence_figure(user: User, filters: Filters, part: Part) -> Panel:
    """Return the doses that a figure counts; each leads to its order, check, entry and openings."""
    if part.risk_from is not None or part.risk_to is not None:
        return _risks(user, filters, part)
    rows = within_scope(ScheduledDose.objects.all(), scope_for(user, MEDICATION)).filter(
        local_date__gte=filters.since().date(), state__in=[state.value for state in COUNTED]
    )
    if filters.ward_id is not None:
        rows = rows.filter(patient__ward_id=filters.ward_id)
    if part.patient is not None:
        rows = rows.filter(patient=part.patient)
    if part.missed:
        rows = rows.filter(state=DoseState.MISSED.value)
    if part.since is not None:
        rows = rows.filter(local_date__gte=part.since.date())
    if part.until is not None:
        rows = rows.filter(local_date__lt=part.until.date())
    shown = rows.select_related("patient", "regimen__medication").order_by("-due_at")[:SHOWN]
    facts = [_counted(rows.count(), "doses that were due")]
    facts += [_dose(dose, f"{dose.patient.name}, ") for dose in shown]
    sentence, whose = "Shares and days are computed from these doses alone.", [dose.patient_id for dose in shown]
    return Panel("Adherence: which doses were counted", sentence, facts, shown_patients=whose)


def doses_figure(patient: Patient, days: int, now: datetime) -> Panel:
    """Return the doses behind one patient's measures of the last `days` days."""
    today = now.astimezone(ZoneInfo(patient.time_zone)).date()
    rows = ScheduledDose.objects.filter(
        patient=patient,
        local_date__range=(today - timedelta(days=days - 1), today),
        state__in=[state.value for state in COUNTED],
    )
    shown = rows.select_related("patient", "regimen__medication").order_by("-due_at")[: 4 * SHOWN]
    facts = [_counted(rows.count(), "doses that were due", 4 * SHOWN), *map(_dose, shown)]
    return Panel(f"Doses of {days} days", "Shares, streaks and pauses are computed from these doses alone.", facts)


def _dose(dose: ScheduledDose, whose: str = "") -> Fact:
    local = dose.due_at.astimezone(ZoneInfo(dose.patient.time_zone))
    words = f"{whose}{dose.regimen.medication}: {DoseState(dose.state).value}"
    made_up = ", made up for the demo" if dose.synthetic else ""
    return Fact(f"{local:%-d %b %H:%M}", words + made_up, reverse("twin:dose_evidence", args=[dose.pk]))


FIGURES = {"energy": energy_figure, "security": security_figure, "adherence": adherence_figure}
RIGHTS = {"energy": "twin.view_analytics", "security": "twin.view_analytics", "adherence": MEDICATION}
PERIODS = {"energy": "24h", "security": "24h", "adherence": "30d"}


def _counted(count: int, what: str, shown: int = SHOWN) -> Fact:
    return Fact("Counted", f"{count:,} {what}" + (f"; the newest {shown} follow" if count > shown else ""))


def _link(link: str) -> str:
    return LINKS[link].label if link in LINKS else link


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(text), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0.0 <= share <= 1.0 else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
