"""One real object of every kind that a URL can name, for one patient."""

from __future__ import annotations

import uuid
from datetime import timedelta

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from compliance.adherence.fusion import Finding
from compliance.fhir.types.intakes import MedicationStatements
from compliance.models import (
    AccessRecord,
    Administration,
    ApiToken,
    BulkExport,
    CareRelationship,
    Correction,
    EmergencyAccess,
    Event,
    FhirClient,
    Intake,
    LegalHold,
    LogEntry,
    Medication,
    Notice,
    Patient,
    PrivacyRequest,
    Regimen,
    RiskEstimate,
    ScheduledDose,
    Shift,
    Subscription,
    SubscriptionNotice,
    User,
    Ward,
)
from compliance.models.regimens import IntakeSource
from compliance.models.reports import ComplianceReport
from compliance.models.rules import RuleTrial, RuleVersion, Violation
from compliance.orders.formulary import formulary
from compliance.services.orders import adopt
from compliance.services.rules import ensure_house_rules
from devices.kinds.registry import by_key
from devices.models import Gateway, HL7Destination, HL7Message
from devices.services.authority import issue
from devices.services.pairing import begin_pairing
from devices.services.registry import register_device, register_gateway
from devices.services.telemetry import store
from devices.telemetry import READING, ReadingBatch, Waveform
from imaging.models import Instance, Series, SeriesKind, Study, StudyState, Upload
from imaging.services import archive, thumbnails
from twin.models import Alert, Prediction


def objects_of(patient: Patient) -> dict[str, object]:
    """Return real identifiers by the names that URL parameters have."""
    now = timezone.now()
    gateway = register_gateway(name=f"gateway {patient.pk}", ward=patient.ward, public_key=bytes(32))
    device, _key = register_device(
        serial=str(uuid.uuid4())[:20], kind="cgm", label="Glucose monitor", gateway=gateway, patient=patient
    )
    worn = timezone.now().timestamp()  # not before the device was put on
    reading = np.array([(device.pk, by_key("glucose").code, 1, worn, 48.0)], READING)
    block = Waveform(device.pk, by_key("ecg").code, 1, worn, 0.004, 0.01, np.ones(10, np.int16))
    store().write(ReadingBatch(reading, (block,), received_at=worn))
    alert = Alert.objects.create(
        patient=patient, device=device, rule="glucose_low", metric="glucose", priority="high", value=48.0,
        message="Glucose 48 mg/dL, below 54", event_time=now, last_seen_at=now,
    )  # fmt: skip
    event = Event.objects.filter(device_id=device.pk, code="device_registered").get()
    return {
        "device_id": device.pk,
        "sequence": 1,
        "gateway_id": gateway.pk,
        "certificate_id": issue(gateway, Ed25519PrivateKey.generate().public_key().public_bytes_raw()).pk,
        "pairing_id": begin_pairing(owner=gateway, server="http://localhost").pairing.pk,
        "alert_id": alert.pk,
        "purpose": "research",
        "page": "security",
        "access_id": _emergency_of(patient),
        "request_id": _request_of(patient),
        "erasure_id": _request_of(patient, kind="erasure", state="withdrawn"),
        "correction_id": _correction_of(patient),
        "hold_id": LegalHold.objects.create(patient=patient, reason="A test.", lifted_at=now).pk,
        **_person(),
        "notice_id": Notice.objects.create(
            code="test", subject=str(patient.pk), message="Look.", ward_id=patient.ward_id
        ).pk,
        **_export_of(patient),
        **_receiver_of(patient),
        **_subscription_of(patient),
        "look_id": _look_at(patient),
        "counted": "looks",
        "event_id": event.pk,
        "entry_id": LogEntry.objects.get(event_id=event.pk).pk,
        **_plan_of(patient),
        **_study_of(patient, gateway),
    }


def _look_at(patient: Patient) -> int:
    """Return a look of the house itself: it is nobody's whom a test counts."""
    at = timezone.now() - timedelta(days=2)
    return AccessRecord.objects.create(patient=patient, role="house", what="record_export", purpose="other", at=at).pk


def _export_of(patient: Patient) -> dict[str, object]:
    owner = User.objects.create(username=f"owner of {patient.pk}")
    now = timezone.now()
    export = BulkExport.objects.create(
        user=owner, base="http://testserver/fhir", request="/", level="system", types=["Patient"], started_at=now,
        expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    return {"export_id": export.pk, "file_id": uuid.uuid4(), "group_id": patient.ward_id}


def _subscription_of(patient: Patient) -> dict[str, object]:
    owner = User.objects.create(username=f"subscriber of {patient.pk}", role="physician")
    CareRelationship.objects.create(user=owner, ward=patient.ward, starts_at=timezone.now())
    one = Subscription.objects.create(
        owner=owner, scopes="user/*.rs", base="http://testserver/fhir", type="DetectedIssue", criteria="DetectedIssue",
        reason="to know", endpoint="https://hook.example/",
    )  # fmt: skip
    notice = SubscriptionNotice.objects.create(
        subscription=one, patient=patient, fhir_id="1", version="1", resource_at=timezone.now(), state="parked"
    )
    return {"subscription_id": one.pk, "parked_id": notice.pk}


def _receiver_of(patient: Patient) -> dict[str, object]:
    receiver = HL7Destination.objects.create(name=f"record {patient.pk}", host="127.0.0.1", metrics=["glucose"])
    receiver.wards.add(patient.ward)
    message = HL7Message.objects.create(
        destination=receiver, patient=patient, control_id=uuid.uuid4().hex[:20], state="parked", content_sealed=b"",
        observations=1,
    )  # fmt: skip
    return {"destination_id": receiver.pk, "message_id": message.pk, "act": "pause"}


def _plan_of(patient: Patient) -> dict[str, object]:
    now = timezone.now()
    medication, _created = Medication.objects.get_or_create(name="Enoxaparin", strength="100 mg/mL", form="injection")
    regimen = Regimen.objects.create(
        patient=patient, medication=medication, times=["20:00"], starts_on=now.date(), units_per_dose=40.0
    )
    order = adopt(regimen=regimen, drug=formulary()["enoxaparin-100"], user=None, now=now)
    dose = ScheduledDose.objects.create(
        regimen=regimen, patient=patient, due_at=now, opens_at=now - timedelta(hours=1),
        closes_at=now + timedelta(hours=1), local_date=now.date(), changed_at=now,
    )  # fmt: skip
    intake = Intake.objects.create(
        patient=patient, source=IntakeSource.MANUAL, finding=Finding.TAKEN, confidence=1.0, at=now, recorded_at=now,
        regimen=regimen,
    )  # fmt: skip
    RiskEstimate.objects.create(
        dose=dose, patient=patient, probability=0.2, usual=0.1, factors=[], model_version="1", computed_at=now
    )
    Prediction.objects.create(
        patient=patient, metric="glucose", made_at=now, step_s=300, low=[90], middle=[100], high=[110], members=60
    )
    entry = Administration.objects.create(
        patient=patient, order=order, dose=dose, outcome="withheld", reason="vitals", at=now, recorded_at=now
    )
    statement = MedicationStatements().entry(intake)
    fhir = {"type_name": statement.type, "fhir_id": statement.id, "version_id": statement.version}
    rule: dict[str, object] = {"rule": "double-check", "version": 1, "violation_id": _violation_of(patient)}
    doses = {"dose_id": dose.pk, "intake_id": intake.pk, "order_id": order.pk, "administration_id": entry.pk}
    rule["trial_id"] = _trial()
    report = ComplianceReport.objects.create(ward=patient.ward, month=now.date().replace(day=1))
    return fhir | rule | doses | _tokens_of(patient) | {"report_id": report.pk, "form": "pdf"}


def _person() -> dict[str, object]:
    now = timezone.now()
    person, _ = User.objects.get_or_create(username="somebody", defaults={"role": "nurse"})
    place = Ward.objects.first()
    held = CareRelationship.objects.create(user=person, ward=place, starts_at=now)
    shift = Shift.objects.create(user=person, starts_at=now, ends_at=now + timedelta(hours=8))
    return {"person": person.pk, "relationship": held.pk, "shift": shift.pk, "number": 0}


def _emergency_of(patient: Patient) -> uuid.UUID:
    opener, _ = User.objects.get_or_create(username="opener", defaults={"role": "physician"})
    now = timezone.now()
    return EmergencyAccess.objects.create(
        user=opener, patient=patient, reason="emergency", reason_words="Emergency", explanation="A test.",
        opened_at=now, ends_at=now + timedelta(hours=1),
    ).pk  # fmt: skip


def _request_of(patient: Patient, kind: str = "objection", state: str = "open") -> uuid.UUID:
    asked_by = User.objects.filter(own_patient=patient).first()
    now = timezone.now()
    return PrivacyRequest.objects.create(
        patient=patient, kind=kind, state=state, asked_by=asked_by, how="self", asked_at=now, due_at=now
    ).pk


def _correction_of(patient: Patient) -> uuid.UUID:
    request = _request_of(patient, kind="correction", state="refused")
    correction = Correction(request_id=request, patient=patient, part="conditions")
    correction.seal("stands", "Nothing of this")
    correction.seal("disagreement", "I do not agree.")
    correction.disagreed_at = timezone.now()
    correction.save(force_insert=True)
    return request


def _violation_of(patient: Patient) -> int:
    ensure_house_rules()
    violation = Violation.objects.create(
        rule=RuleVersion.objects.get(rule_id="double-check"), leaf_index=0, demand=str(patient.pk), sentence="A test.",
        indexes=[0], patient=patient, ward_id=patient.ward_id, happened_at=timezone.now(),
    )  # fmt: skip
    return violation.pk


def _trial() -> int:
    """Return the trial of a draft that somebody else began: each sees their own alone."""
    other, _ = User.objects.get_or_create(username="author", defaults={"role": "administrator"})
    return RuleTrial.objects.create(text="", days=1, since=timezone.now(), user=other, size=0).pk


def _tokens_of(patient: Patient) -> dict[str, object]:
    """Return a client on the patient's ward, and a token that belongs to nobody of the cast."""
    now = timezone.now()
    account = User.objects.create(username=f"service {patient.pk}", role="nurse")
    CareRelationship.objects.create(user=account, ward=patient.ward, starts_at=now)
    client = FhirClient.objects.create(
        name=f"client {patient.pk}", account=account, jwks={"keys": []}, scopes="system/*.rs", registered_by=account,
        registered_at=now,
    )  # fmt: skip
    token = ApiToken.objects.create(
        user=account, digest=str(patient.pk), scopes="user/*.rs", created_at=now, expires_at=now + timedelta(days=1)
    )
    return {"client_id": client.pk, "token_id": token.pk}


def _study_of(patient: Patient, gateway: Gateway) -> dict[str, object]:
    study = Study.objects.create(
        patient=patient,
        gateway=gateway,
        content="dicom",
        state=StudyState.READY,
        archive_key=archive.new_study_key(),
        ready_at=timezone.now(),
    )
    series = Series.objects.create(study=study, series_uid="1.2.3")
    instance = Instance.objects.create(
        series=series, sop_uid="1.2.3.4", rows=8, columns=8, window_centre=4, window_width=8
    )
    made = Series.objects.create(study=study, series_uid="1.2.5", kind=SeriesKind.CG_SENSE, number=1)
    Instance.objects.create(
        series=made, sop_uid="1.2.5.6", rows=8, columns=8, window_centre=4, window_width=8, note="12 iterations"
    )
    archive.store_pixels(study, str(instance.pk), bytes(2 * 8 * 8))
    thumbnails.make(study, series, [instance])
    upload = Upload.objects.create(
        id=study.pk, gateway=gateway, manifest=b"{}", signature=bytes(64), pieces=1, sealed_bytes=64
    )
    return {
        "study_id": study.pk,
        "series_id": series.pk,
        "instance_id": instance.pk,
        "study": upload.pk,
        "index": 0,
        "state": "quarantined",
    }
