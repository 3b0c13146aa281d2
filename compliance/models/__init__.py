"""People, rights and evidence as stored."""

from compliance.models.events import Event, EventCategory
from compliance.models.people import CareRelationship, Patient, Sex, User, Ward

__all__ = ["CareRelationship", "Event", "EventCategory", "Patient", "Sex", "User", "Ward"]
