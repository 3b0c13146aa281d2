"""The resource types of this package."""

from __future__ import annotations

from compliance.fhir.registry import register


def register_types() -> None:
    """Put them into the registry; called once when the application is ready."""
    from twin.fhir.alerts import DetectedIssues

    register(DetectedIssues())
