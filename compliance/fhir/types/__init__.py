"""The resource types of this package: people, medication, risk, evidence."""

from __future__ import annotations

from compliance.fhir.registry import register


def register_types() -> None:
    """Put them into the registry; called once when the application is ready."""
    from compliance.fhir.types.consents import Consents
    from compliance.fhir.types.evidence import AuditEvents
    from compliance.fhir.types.intakes import MedicationStatements
    from compliance.fhir.types.medication import MedicationAdministrations, MedicationRequests
    from compliance.fhir.types.patients import Patients
    from compliance.fhir.types.provenance import Provenances
    from compliance.fhir.types.risk import RiskAssessments
    from compliance.fhir.types.subscriptions import Subscriptions

    register(
        Patients(),
        MedicationRequests(),
        MedicationAdministrations(),
        MedicationStatements(),
        RiskAssessments(),
        AuditEvents(),
        Consents(),
        Provenances(),
        Subscriptions(),
    )
