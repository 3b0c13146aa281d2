"""Which ciphers devices may use in this house."""

from __future__ import annotations

from django.conf import settings

from devices.protocol.suites import Suite


def suite_allowed(suite: Suite) -> bool:
    """Tell whether devices may use it: those for measurement only where the house says so."""
    return not suite.facts.for_measurement or bool(settings.MEASUREMENT_CIPHERS)
