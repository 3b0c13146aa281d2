"""Consent: what a patient decided about one use of the record. A new decision is a new Consent; none is changed."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Entry, Resource, coding, concept, refer
from compliance.fhir.errors import ResourceWrong
from compliance.fhir.parameters import as_utc, coded, moment, subject, uuid_key
from compliance.fhir.table import Table
from compliance.fhir.types.staff import practitioner
from compliance.fhir.values import parse_reference
from compliance.models import Consent, Patient
from compliance.privacy.purposes import TEXT_VERSION, How
from compliance.selectors import within_scope
from compliance.services.consents import decide_consent

SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
CATEGORY = "http://loinc.org"
PURPOSE, TEXT = "urn:medtwin:consent-purpose", "urn:medtwin:consent-text:"
STATE = "http://hl7.org/fhir/consent-state-codes"
TAKEN_OVER = {"resourceType", "status", "scope", "category", "patient", "policy", "provision", "dateTime"}


class Consents(Table[Consent]):
    """Decisions, the newest of a purpose active and those before it inactive."""

    name = "Consent"
    about = "One decision of a patient about one use of the record; creating one records a decision on paper."
    action = "compliance.manage_consent"
    creates = True
    born = "at"
    changed = "at"
    sort_columns = {"date": "at"}
    parameters = (
        subject(path="patient"),
        moment("date", "When it was decided", "at"),
        coded("status", "active or inactive", STATE, {"active": Q(replaced=False), "inactive": Q(replaced=True)}),
    )
    includes = ("patient",)

    def rows(self, access: Access) -> QuerySet[Consent]:
        """Return the decisions that the person may see."""
        later = Consent.objects.filter(patient=OuterRef("patient"), purpose=OuterRef("purpose"), pk__gt=OuterRef("pk"))
        dated = Consent.objects.annotate(replaced=Exists(later))
        return within_scope(dated, access.scope(self.action))

    def render(self, row: Consent) -> Resource:
        """Return a Consent."""
        made: Resource = {
            "resourceType": "Consent",
            "id": str(row.pk),
            "status": "inactive" if getattr(row, "replaced", False) else "active",
            "scope": concept(coding(SCOPE, "patient-privacy")),
            "category": [concept(coding(CATEGORY, "59284-0", "Consent Document"))],
            "patient": refer("Patient", row.patient_id),
            "dateTime": as_utc(row.at),
            "policy": [{"uri": TEXT + row.text_version}],
            "provision": {
                "type": "permit" if row.given else "deny",
                "purpose": [coding(PURPOSE, row.purpose)],
            },
        }
        if row.recorded_by_id is not None and row.how == How.PAPER:
            made["performer"] = [practitioner(row.recorded_by_id)]
        return made

    def create(self, access: Access, resource: Resource) -> Entry:
        """Record a decision that the patient signed on paper, under the wording that holds now."""
        if left := sorted(set(resource) - TAKEN_OVER):
            raise ResourceWrong(f"{left[0]} is not kept here.", expression=f"Consent.{left[0]}")
        provision = resource.get("provision", {})
        purposes = [one.get("code", "") for one in provision.get("purpose", []) if one.get("system") == PURPOSE]
        decision = {"permit": True, "deny": False}.get(provision.get("type", ""))
        if resource.get("status") != "active" or decision is None or len(purposes) != 1:
            raise ResourceWrong(
                "A decision is active, and permits or denies one purpose.", expression="Consent.provision"
            )
        policies = [one.get("uri", "") for one in resource.get("policy", [])]
        if len(policies) != 1 or not policies[0].startswith(TEXT):
            raise ResourceWrong(
                f"The wording that was read is needed: {TEXT}{TEXT_VERSION}.", expression="Consent.policy"
            )
        consent = decide_consent(
            patient=self._patient(access, resource),
            purpose=purposes[0],
            given=decision,
            user=access.user,
            how=How.PAPER,
            text_version=policies[0].removeprefix(TEXT),
            now=access.now,
        )
        return self.entry(self.rows(access).get(pk=consent.pk))

    def _patient(self, access: Access, resource: Resource) -> Patient:
        text = resource.get("patient", {}).get("reference", "")
        reference = parse_reference(text, f"{access.base}/") if text else None
        mine = within_scope(Patient.objects.all(), access.scope(self.action), patient_field="")
        mine = access.narrow(mine, self.name, "c", "pk")
        key = uuid_key(reference.id) if reference is not None and reference.type == "Patient" else None
        patient = mine.filter(pk=key).first() if key is not None else None
        if patient is None:
            raise ResourceWrong("There is no such patient for whom you may record.", expression="Consent.patient")
        return patient
