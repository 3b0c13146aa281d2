"""RiskAssessment: how likely the next dose is to be missed, and why."""

from __future__ import annotations

from django.db.models import QuerySet

from compliance.fhir.access import Access
from compliance.fhir.entries import Resource, coding, concept, refer
from compliance.fhir.parameters import as_utc, moment, subject
from compliance.fhir.table import Table
from compliance.models import RiskEstimate
from compliance.selectors import within_scope

MODEL = "urn:medtwin:model:adherence"
ARTIFACT = "http://hl7.org/fhir/StructureDefinition/workflow-relatedArtifact"
CARD = {
    "type": "documentation",
    "display": "Model card, docs/models.md: what it was trained on and where not to use it",
}


class RiskAssessments(Table[RiskEstimate]):
    """Estimates of the adherence model. Forecasts of the twin are simulated courses, not risks, and are not served."""

    name = "RiskAssessment"
    about = "How likely a dose was thought to be missed, with the model's reasons; a decision aid, not a finding."
    action = "compliance.view_adherence"
    changed = "computed_at"
    born = "computed_at"
    sort_columns = {"date": "computed_at"}
    parameters = (subject(), subject("subject"), moment("date", "When it was estimated", "computed_at"))
    includes = ("patient", "subject")

    def rows(self, access: Access) -> QuerySet[RiskEstimate]:
        """Return the estimates that the person may see."""
        return within_scope(RiskEstimate.objects.select_related("dose"), access.scope(self.action))

    def synthetic(self, row: RiskEstimate) -> bool:
        """Tell whether the model learnt from generated people only."""
        return row.synthetic

    def render(self, row: RiskEstimate) -> Resource:
        """Return a RiskAssessment."""
        reasons = "; ".join(str(factor["sentence"]) for factor in row.factors)
        prediction = {
            "outcome": concept(text="The dose is not taken within its window"),
            "probabilityDecimal": round(row.probability, 6),
            "relativeRisk": round(row.probability / row.usual, 6) if row.usual > 0 else None,
            "whenPeriod": {"start": as_utc(row.dose.opens_at), "end": as_utc(row.dose.closes_at)},
            "rationale": reasons,
        }
        return {
            "resourceType": "RiskAssessment",
            "id": str(row.pk),
            "status": "final",
            "extension": [{"url": ARTIFACT, "valueRelatedArtifact": CARD}],
            "code": concept(text="Risk of missing a dose"),
            "method": concept(coding(MODEL, row.model_version), text=f"Medtwin adherence model {row.model_version}"),
            "subject": refer("Patient", row.patient_id),
            "occurrenceDateTime": as_utc(row.computed_at),
            "basis": [refer("MedicationRequest", row.dose.regimen_id)],
            "prediction": [_present(prediction)],
        }


def _present(element: Resource) -> Resource:
    """Leave out what has no value: FHIR knows no null and no empty text."""
    return {name: value for name, value in element.items() if value is not None and value != ""}
