"""The resource types of this package."""

from __future__ import annotations

from compliance.fhir.registry import register


def register_types() -> None:
    """Put them into the registry; called once when the application is ready."""
    from imaging.fhir.reports import DiagnosticReports
    from imaging.fhir.studies import ImagingStudies

    register(ImagingStudies(), DiagnosticReports())
