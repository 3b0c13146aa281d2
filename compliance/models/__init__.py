"""People, rights and evidence as stored."""

from compliance.models.corrections import Correction
from compliance.models.erasure import Erasure, ErasureStep, LegalHold, RetentionRun
from compliance.models.events import Event, EventCategory
from compliance.models.exports import BulkExport, ExportFile, ExportLevel, ExportState
from compliance.models.keys import HouseKey
from compliance.models.log import LogCheckpoint, LogEntry, LogTile, Witness
from compliance.models.notices import Notice, NoticePriority
from compliance.models.orders import Administration, DoseCheck, EndReason, MedicationOrder, Outcome, OutcomeReason
from compliance.models.people import CareRelationship, Patient, Sex, User, Ward
from compliance.models.policy import EmergencyAccess, PolicyActivation, PolicyVersion, Shift
from compliance.models.privacy import AccessRecord, Consent
from compliance.models.privacy_requests import PrivacyRequest
from compliance.models.regimens import Intake, IntakeSource, Medication, Regimen, RiskEstimate, ScheduledDose
from compliance.models.reports import ComplianceReport, ReportState
from compliance.models.rules import RuleState, RuleTrial, RuleVersion, TrialState, Violation, ViolationState
from compliance.models.second_factors import RecoveryCode
from compliance.models.sessions import BrowserSession
from compliance.models.subscriptions import (
    Payload,
    Subscription,
    SubscriptionNotice,
    SubscriptionNoticeState,
    SubscriptionState,
)
from compliance.models.tokens import ApiToken, FhirClient, SpentAssertion

__all__ = [
    "AccessRecord",
    "Administration",
    "ApiToken",
    "BrowserSession",
    "BulkExport",
    "CareRelationship",
    "ComplianceReport",
    "Consent",
    "Correction",
    "DoseCheck",
    "EmergencyAccess",
    "EndReason",
    "Erasure",
    "ErasureStep",
    "Event",
    "EventCategory",
    "ExportFile",
    "ExportLevel",
    "ExportState",
    "FhirClient",
    "HouseKey",
    "Intake",
    "IntakeSource",
    "LegalHold",
    "LogCheckpoint",
    "LogEntry",
    "LogTile",
    "Medication",
    "MedicationOrder",
    "Notice",
    "NoticePriority",
    "Outcome",
    "OutcomeReason",
    "Patient",
    "Payload",
    "PolicyActivation",
    "PolicyVersion",
    "PrivacyRequest",
    "RecoveryCode",
    "Regimen",
    "ReportState",
    "RetentionRun",
    "RiskEstimate",
    "RuleState",
    "RuleTrial",
    "RuleVersion",
    "ScheduledDose",
    "Sex",
    "Shift",
    "SpentAssertion",
    "Subscription",
    "SubscriptionNotice",
    "SubscriptionNoticeState",
    "SubscriptionState",
    "TrialState",
    "User",
    "Violation",
    "ViolationState",
    "Ward",
    "Witness",
]
