"""The resource types of this package: devices, what they measure, and the measurements themselves."""

from __future__ import annotations

from compliance.fhir.registry import register


def register_types() -> None:
    """Put them into the registry; called once when the application is ready."""
    from compliance.fhir.types.provenance import Provenances
    from devices.fhir.devices import DeviceMetrics, Devices
    from devices.fhir.observations import Observations
    from devices.fhir.provenance import SentObservations

    Provenances.add(SentObservations())
    register(Devices(), DeviceMetrics(), Observations())
