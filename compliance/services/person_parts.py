"""What this package holds of a person, and how each part goes when the person is erased.

The rest of the house registers its own; see `compliance.privacy.erasers`. Rows that stay say nothing of anybody: the
patient's own, the account's, and those of the requests.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max, Q
from django.utils import timezone

from compliance.models import (
    AccessRecord,
    Administration,
    ApiToken,
    BulkExport,
    CareRelationship,
    ComplianceReport,
    Consent,
    Correction,
    DoseCheck,
    EmergencyAccess,
    Erasure,
    Intake,
    LegalHold,
    MedicationOrder,
    Notice,
    Patient,
    PrivacyRequest,
    Regimen,
    ReportState,
    RiskEstimate,
    RuleVersion,
    ScheduledDose,
    User,
    Violation,
    Ward,
)
from compliance.models.subscriptions import Subscription, SubscriptionNotice
from compliance.privacy.erasers import Fate, Part, register_parts
from compliance.services.erasing import delete_some
from compliance.services.exports import remove_export
from compliance.services.log_erasure import erase_subject
from compliance.services.own_accounts import blank_account
from compliance.services.rights import rights_changed_around
from compliance.services.subjects import destroy_subject_key

CLOSED_WARD = "Closed records"  # where nobody works: what the law keeps is there, and out of everybody's reach
TREATMENT, ACCOUNTABILITY = "treatment_records", "accountability"


def register() -> None:
    """Tell the registry; called once from AppConfig.ready."""
    register_parts(_parts())


def _parts() -> list[Part]:
    treatment = ("Regimen", "MedicationOrder", "ScheduledDose", "DoseCheck", "Administration", "Intake")
    return [
        _part("reach", "Who may open the record", Fate.DELETED, 0, ("CareRelationship",), _close),
        _part("account", "The own sign-in", Fate.BLANKED, 5, ("User",), blank_account),
        _part("exports", "Files of bulk exports", Fate.DELETED, 10, ("BulkExport", "ExportFile"), _erase_exports),
        _part("subscriptions", "Subscriptions of programs, and what waits for them", Fate.DELETED, 9,
              ("Subscription", "SubscriptionNotice"), _erase_subscriptions),
        _part("tokens", "Access tokens", Fate.DELETED, 10, ("ApiToken",), _erase_tokens),
        _part("consents", "Decisions about uses", Fate.DELETED, 20, ("Consent",), _erase_consents),
        _part("estimates", "Estimates of risk", Fate.DELETED, 30, ("RiskEstimate",), _erase_estimates),
        _part("medication", "Orders, doses and intakes", Fate.DELETED, 70, treatment, _erase_medication,
              newest=_newest_treatment, law=TREATMENT),
        _part("looks", "Who looked, and emergency accesses", Fate.DELETED, 75,
              ("AccessRecord", "EmergencyAccess", "Notice"), _erase_looks, newest=_newest_look, law=ACCOUNTABILITY),
        _part("log", "Events, and what the log says of them", Fate.COMMITTED, 80, ("Event", "LogEntry"), _erase_log,
              newest=_newest_treatment, law=TREATMENT),
        _part("violations", "Broken rules, and reports that show them", Fate.DELETED, 85,
              ("Violation", "RuleVersion", "ComplianceReport"), _erase_violations,
              newest=_newest_treatment, law=TREATMENT),
        _part("corrections", "What was called wrong, and what stood there before", Fate.DELETED, 25, ("Correction",),
              _erase_corrections),
        _part("requests", "What was asked and answered, in words", Fate.BLANKED, 90,
              ("PrivacyRequest", "Erasure", "ErasureStep", "LegalHold"), _blank_requests),
        _part("identity", "Name, date of birth, record number, bed, weight, conditions", Fate.KEY_DESTROYED, 100,
              ("Patient",), _blank_patient),
    ]  # fmt: skip


def _part(key: str, words: str, fate: Fate, order: int, models: tuple[str, ...], erase: Any, **more: Any) -> Part:
    return Part(key, words, fate, order, frozenset(f"compliance.{name}" for name in models), erase, **more)


def _close(patient_id: UUID, limit: int) -> int:
    """Take the record out of everybody's reach; its requests stay in the queue where they were."""
    patient = Patient.objects.select_for_update().get(pk=patient_id)
    closed, _made = Ward.objects.get_or_create(name=CLOSED_WARD)
    if patient.ward_id != closed.pk:
        rights_changed_around(patient)
        PrivacyRequest.objects.filter(patient=patient, ward_id=None).update(ward_id=patient.ward_id)
        Regimen.objects.filter(patient=patient, stopped_at=None).update(stopped_at=timezone.now())
        ScheduledDose.objects.filter(patient=patient, opens_at__gt=timezone.now()).delete()
        Patient.objects.filter(pk=patient_id).update(ward=closed, bed="")
        return 1
    return delete_some(CareRelationship.objects.filter(patient=patient), limit)


def _erase_exports(patient_id: UUID, limit: int) -> int:
    """Remove every export that was begun before the record was closed: any of them may hold the person."""
    approved = Erasure.objects.filter(patient=patient_id).aggregate(at=Max("approved_at"))["at"]
    found = list(BulkExport.objects.filter(started_at__lte=approved or timezone.now())[:limit])
    for export in found:
        remove_export(export)
    return len(found)


def _erase_subscriptions(patient_id: UUID, limit: int) -> int:
    return delete_some(SubscriptionNotice.objects.filter(patient=patient_id), limit) or delete_some(
        Subscription.objects.filter(Q(patient=patient_id) | Q(criteria__contains=str(patient_id))), limit
    )


def _erase_tokens(patient_id: UUID, limit: int) -> int:
    return delete_some(ApiToken.objects.filter(patient=patient_id), limit)


def _erase_consents(patient_id: UUID, limit: int) -> int:
    return delete_some(Consent.objects.filter(patient=patient_id), limit)


def _erase_corrections(patient_id: UUID, limit: int) -> int:
    return delete_some(Correction.objects.filter(patient=patient_id), limit)


def _erase_estimates(patient_id: UUID, limit: int) -> int:
    return delete_some(RiskEstimate.objects.filter(patient=patient_id), limit)


def _erase_medication(patient_id: UUID, limit: int) -> int:
    for model in (Administration, DoseCheck, MedicationOrder, ScheduledDose, Intake, Regimen):
        if gone := delete_some(model._default_manager.filter(patient=patient_id), limit):
            return gone
    return 0


def _newest_treatment(patient_id: UUID) -> datetime | None:
    newest = (
        Administration.objects.filter(patient=patient_id).aggregate(at=Max("recorded_at"))["at"],
        MedicationOrder.objects.filter(patient=patient_id).aggregate(at=Max("prescribed_at"))["at"],
        Intake.objects.filter(patient=patient_id).aggregate(at=Max("recorded_at"))["at"],
    )
    return max((at for at in newest if at is not None), default=None)


def _erase_looks(patient_id: UUID, limit: int) -> int:
    accesses = EmergencyAccess.objects.filter(patient=patient_id)
    named = [str(pk) for pk in accesses.values_list("pk", flat=True)]
    Notice.objects.filter(subject__in=named).delete()
    return delete_some(AccessRecord.objects.filter(patient=patient_id), limit) or delete_some(accesses, limit)


def _newest_look(patient_id: UUID) -> datetime | None:
    newest: datetime | None = AccessRecord.objects.filter(patient=patient_id).aggregate(at=Max("at"))["at"]
    return newest


def _erase_log(patient_id: UUID, limit: int) -> int:
    account = User.objects.filter(own_patient=patient_id).values_list("pk", flat=True).first()
    erasure = Erasure.objects.filter(patient=patient_id).values_list("pk", flat=True).first()
    return erase_subject(patient_id, account_id=account, limit=limit, about=str(erasure or ""))


def _erase_violations(patient_id: UUID, limit: int) -> int:
    """Delete violations, let rules forget what they remember of the person, and make reports anew without them."""
    gone = delete_some(Violation.objects.filter(patient=patient_id), limit)
    if gone:
        return gone
    said = str(patient_id)
    for row in RuleVersion.objects.select_for_update().filter(engine__isnull=False):
        if said in json.dumps(row.engine):
            row.engine = _without(row.engine, said)
            row.save(update_fields=["engine"])
    reports = list(ComplianceReport.objects.filter(document__contains=said).values_list("pk", flat=True)[:limit])
    anew = {"document": "", "pdf": None, "digest": "", "state": ReportState.QUEUED, "progress": 0}
    return ComplianceReport.objects.filter(pk__in=reports).update(**anew)


def _without(state: Any, said: str) -> Any:
    """Drop what speaks of the person from a rule's memory: entries of mappings, and rows of lists."""
    if isinstance(state, dict):
        kept = {key: value for key, value in state.items() if said not in key}
        if {"judges", "references"} <= kept.keys():  # the engine itself: its fields stay
            return kept | {name: _without(kept[name], said) for name in ("judges", "references")}
        return {key: value for key, value in kept.items() if said not in json.dumps(value)}
    if isinstance(state, list):
        rows = all(isinstance(one, list) and one and not isinstance(one[0], list | dict) for one in state)
        return [one for one in state if said not in json.dumps(one)] if rows else [_without(one, said) for one in state]
    return state


def _blank_requests(patient_id: UUID, limit: int) -> int:
    words = PrivacyRequest.objects.filter(patient=patient_id).exclude(words="", answer="", extended_because="")
    changed = words.update(words="", answer="", extended_because="")
    holds = LegalHold.objects.filter(patient=patient_id).exclude(reason="", lift_reason="")
    return changed + holds.update(reason="", lift_reason="")


def _blank_patient(patient_id: UUID, limit: int) -> int:
    """Destroy the key of the person, and empty what lies open beside it."""
    patient = Patient.objects.get(pk=patient_id)
    if patient.erased_at is not None:
        return 0
    User.objects.filter(own_patient=patient_id).update(own_patient=None)
    destroy_subject_key(patient, told=False)
    blank = {"sex": "unknown", "weight_kg": None, "bed": "", "time_zone": "UTC", "conditions": ""}
    return Patient.objects.filter(pk=patient_id).update(**blank, erased_at=timezone.now())
