"""People, rights and evidence as stored."""

from compliance.models.events import Event, EventCategory
from compliance.models.people import CareRelationship, Patient, Sex, User, Ward
from compliance.models.regimens import Intake, IntakeSource, Medication, Regimen, RiskEstimate, ScheduledDose

__all__ = [
    "CareRelationship",
    "Event",
    "EventCategory",
    "Intake",
    "IntakeSource",
    "Medication",
    "Patient",
    "Regimen",
    "RiskEstimate",
    "ScheduledDose",
    "Sex",
    "User",
    "Ward",
]
