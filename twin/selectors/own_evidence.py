"""What proves the numbers of the patient's own page: the panels of the staff, cut to one record and said plainly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from compliance.models import AccessRecord, Consent, Event, LogEntry, Patient
from compliance.selectors.log import entry_of_event
from compliance.views.privacy_words import look_of
from devices.evidence.logged import checks_of_link
from devices.selectors.evidence import link_of
from twin.selectors.evidence import Fact, Panel

STAFF, OWN = "/evidence/", "/me/evidence/"
# Which of the staff's pages of evidence a patient has a page of, under the same path.
MIRRORED = ("alert", "dose", "event", "image", "intake", "reading", "risk", "series", "study")
IN_ONE_REQUEST = timedelta(seconds=60)  # an event and the row beside it are written in one transaction
UNSEEN = "It was written into the record log in the moment in which it happened. Nobody can change it there unseen."


def own_link(link: str) -> str:
    """Return the patient's own page for a page of evidence of the staff; empty where there is none."""
    if link.startswith(OWN):
        return link
    kind = link.removeprefix(STAFF).partition("/")[0]
    return f"{OWN}{link.removeprefix(STAFF)}" if link.startswith(STAFF) and kind in MIRRORED else ""


def own_panel(panel: Panel, sentence: str = "") -> Panel:
    """Return a panel of the staff as its patient has it: links lead to own pages or nowhere."""
    return replace(panel, facts=own_facts(panel.facts), sentence=sentence or panel.sentence)


def own_facts(facts: Iterable[Fact]) -> list[Fact]:
    """Return facts whose links lead to the patient's own pages."""
    return [Fact(one.name, one.value.replace("this patient's own", "your own"), own_link(one.link)) for one in facts]


def own_entry(patient: Patient, event: Event) -> LogEntry | None:
    """Return the log's entry about an event, if it is about this patient alone: one about a list names others too."""
    return LogEntry.objects.filter(event_id=event.pk, patient_id=patient.pk).first()


def look_panel(record: AccessRecord) -> Panel:
    """Return who looked at what, with the event that told of it and its entry in the log."""
    zone = ZoneInfo(record.patient.time_zone)
    look, event = look_of(record, zone), event_of_look(record)
    facts = [
        Fact("Who", f"{look.who}, {look.role}"),
        Fact("What", look.what),
        Fact("Why", look.why),
        Fact("When", f"{look.at:%-d %b %Y %H:%M:%S}"),
    ]
    # The whole of what was logged has to fit: who, which part, why, and for a list that this patient stands on it.
    said = {"event": event.pk, "user": record.user_id, "detail": event.detail} if event else {"code": "record_viewed"}
    entry = entry_of_event(event.pk) if event else None
    checks = list(checks_of_link(link_of(entry), said, "The look"))
    return Panel("Somebody looked at your record", UNSEEN, facts, checks)


def event_of_look(record: AccessRecord) -> Event | None:
    """Return the event that was recorded with a look: of this patient, or of a list on which the patient stands."""
    looked = Event.objects.filter(user=record.user_id, at__lte=record.at, at__gte=record.at - IN_ONE_REQUEST)
    alone = looked.filter(code="record_viewed", patient=record.patient_id).order_by("-at", "-pk")
    listed = looked.filter(code="records_listed", at=record.at).order_by("-pk")
    told = {"what": record.what, "purpose": record.purpose}
    for event in (*alone, *listed):
        named = event.patient_id == record.patient_id or str(record.patient_id) in event.detail.get("patients", [])
        if named and told.items() <= event.detail.items():
            return event
    return None


def event_of_decision(decision: Consent) -> Event | None:
    """Return the event of a decision about the record."""
    code = "consent_given" if decision.given else "consent_withdrawn"
    told = Event.objects.filter(patient=decision.patient_id, code=code, detail__purpose=decision.purpose)
    return told.filter(at__gte=decision.at).order_by("at", "pk").first()
