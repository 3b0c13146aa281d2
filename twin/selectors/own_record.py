"""What the house holds about one patient, by kind: how many, since when, what for, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.apps import apps
from django.db.models import Count, Min

from compliance.models import Patient
from compliance.privacy.retention import Schedule
from compliance.selectors.retention import active_schedule
from devices.models import DeviceAssignment

WITH_RECORD = "with your record"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of data: in words, its oldest moment, what it is for, and the rule of the schedule that lets it go."""

    words: str
    moment: str
    why: str
    rule: str = ""
    path: str = "patient"


@dataclass(frozen=True, slots=True)
class Holding:
    """One kind of data that is held. count and since are None where they are not known; nothing held is 0."""

    words: str
    count: int | None
    since: datetime | None
    why: str
    until: str
    slug: str = ""  # names the rows that were counted; empty where nobody counted


CARE, SAFETY, ACCOUNT = (
    "to treat you safely",
    "to show that devices can be trusted",
    "to show what was done, and by whom",
)
SHOWN: dict[str, Kind] = {
    "devices.DeviceAssignment": Kind("Devices that measure you, or did", "starts_at", CARE, "readings"),
    "devices.ExternalObservation": Kind("Values from other places", "received_at", CARE, "readings"),
    "devices.EdgeFact": Kind("What gateways did on their own, and how they heard your devices", "at", CARE, "readings"),
    "devices.EnergyUsage": Kind("Energy that devices used, by the minute", "starts_at", SAFETY, "readings"),
    "devices.HL7Message": Kind("Messages about you to other systems", "made_at", "to tell those who treat you"),
    "compliance.Regimen": Kind("Medicines planned for you", "stopped_at", CARE, "treatment_records"),
    "compliance.MedicationOrder": Kind("Medication orders", "prescribed_at", CARE, "treatment_records"),
    "compliance.ScheduledDose": Kind("Planned doses", "due_at", CARE, "treatment_records"),
    "compliance.DoseCheck": Kind("Doses checked by a second person", "checked_at", CARE, "treatment_records"),
    "compliance.Administration": Kind("Doses given, withheld or refused", "recorded_at", CARE, "treatment_records"),
    "compliance.Intake": Kind("Doses that were seen", "at", CARE, "treatment_records"),
    "compliance.RiskEstimate": Kind("Estimates that a dose is missed", "computed_at", "to remind in time", "estimates"),
    "compliance.Event": Kind("Events around your care", "at", ACCOUNT, "treatment_records"),
    "compliance.LogEntry": Kind("Entries of the record log", "at", ACCOUNT, "treatment_records", "patient_id"),
    "compliance.Violation": Kind("Rules that were not kept", "happened_at", ACCOUNT, "treatment_records"),
    "compliance.AccessRecord": Kind("Looks at your record", "at", ACCOUNT, "accountability"),
    "compliance.EmergencyAccess": Kind("Emergency accesses to it", "opened_at", ACCOUNT, "accountability"),
    "compliance.CareRelationship": Kind("People linked to you by name", "starts_at", "to let them reach your record"),
    "compliance.Consent": Kind("Your decisions", "at", "to do as you decided"),
    "compliance.PrivacyRequest": Kind("What you asked", "asked_at", "to answer you", "requests"),
    "compliance.Correction": Kind("What you called wrong", "asked_at", "to keep it right", "requests"),
    "compliance.LegalHold": Kind("Orders to keep your record", "placed_at", "because a law or a court demands it"),
    "compliance.ApiToken": Kind("Access tokens for your record", "created_at", "to let your programs in"),
    "compliance.BulkExport": Kind("Copies of your record", "started_at", "to hand them to you"),
    "compliance.Subscription": Kind("Programs that are told of changes", "created_at", "to tell them"),
    "compliance.User": Kind("Your sign-in", "date_joined", "to let you in here", path="own_patient"),
    "imaging.Study": Kind("Image studies", "received_at", CARE, "images"),
    "twin.Alert": Kind("Alarms", "raised_at", CARE, "treatment_records"),
    "twin.AlertLimit": Kind("Alarm limits set for you", "set_at", CARE),
    "twin.Prediction": Kind("Forecasts", "made_at", CARE, "estimates"),
}
# Tables that lead to a patient and are not named for themselves, each with why.
NOT_SHOWN = {
    "compliance.Patient": "the record itself: the list begins with it",
    "compliance.Erasure": "the carrying out of a request, which is named",
    "compliance.ErasureStep": "the carrying out of a request, which is named",
    "compliance.ExportFile": "the files of copies, which are named",
    "compliance.SubscriptionNotice": "what a subscription, which is named, still has to tell",
    "devices.Device": "named by who wore it when",
    "devices.DevicePath": "which gateways hear a device; they say nothing about a person",
    "devices.DeviceHome": "to which gateways a device belonged; they say nothing about a person",
    "devices.PathTally": "how well gateways hear a device, in counts",
    "devices.DesiredSettings": "how often devices send; it says nothing about a person",
    "devices.Certificate": "certificates of gateways and devices; they say nothing about a person",
    "devices.FormerKey": "keys of devices; they say nothing about a person",
    "devices.FormerRoot": "keys of devices; they say nothing about a person",
    "devices.HL7Cursor": "how far a receiver was told; the messages are named",
    "devices.Pairing": "codes by which devices were brought into the house",
    "devices.PairingRun": "codes by which devices were brought into the house",
    "imaging.ImagingJob": "work on studies, which are named",
    "imaging.Instance": "the images of studies, which are named",
    "imaging.Series": "the series of studies, which are named",
    "twin.AlertStep": "who was told of an alarm; alarms are named",
}


def holdings_of(patient: Patient) -> list[Holding]:
    """Return every kind of data that is held, those that are empty too: an answer of none is an answer."""
    schedule = active_schedule()
    return [_readings(patient, schedule), *(_held(patient, label, kind, schedule) for label, kind in SHOWN.items())]


def slug_of(label: str) -> str:
    """Return how addresses write the label of a model."""
    return label.lower().replace(".", "-")


def _held(patient: Patient, label: str, kind: Kind, schedule: Schedule) -> Holding:
    rows = apps.get_model(label)._default_manager.filter(**{kind.path: patient.pk}).order_by()
    facts = rows.aggregate(count=Count("pk"), since=Min(kind.moment))
    until = _until(schedule, kind.rule)
    return Holding(kind.words, facts["count"], facts["since"], kind.why, until, slug_of(label))


def _readings(patient: Patient, schedule: Schedule) -> Holding:
    """Return the values themselves: they lie in a store of their own, which nobody counts for a page."""
    worn = DeviceAssignment.objects.filter(patient=patient).aggregate(since=Min("starts_at"))
    until = _until(schedule, "readings")
    return Holding("Every value that devices measured", None if worn["since"] else 0, worn["since"], CARE, until)


def _until(schedule: Schedule, name: str) -> str:
    rule = schedule.rule(name) if name else None
    if rule is None:
        return WITH_RECORD
    years, days = divmod(rule.keep_days, 365)
    if years and days < 30:
        return f"{years} year{'s' if years > 1 else ''}"
    return f"{rule.keep_days} days"
