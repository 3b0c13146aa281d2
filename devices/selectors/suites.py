"""Which ciphers devices may use in this house."""

from __future__ import annotations

import re

from django.conf import settings

from devices.protocol.suites import Suite

_SOFTWARE = re.compile(r"medtwin-gateway/(\d{1,6})")
FIRST_THAT_FOLLOWS = 2  # before, a cipher stood in the gateway's configuration alone


def suite_allowed(suite: Suite) -> bool:
    """Tell whether devices may use it: those for measurement only where the house says so."""
    return not suite.facts.for_measurement or bool(settings.MEASUREMENT_CIPHERS)


def follows_ciphers(software: str) -> bool:
    """Tell whether a gateway with this software seals with the cipher that a welcome wishes."""
    found = _SOFTWARE.fullmatch(software)
    return found is not None and int(found[1]) >= FIRST_THAT_FOLLOWS
