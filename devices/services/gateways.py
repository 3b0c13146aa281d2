"""Let a gateway in, keep it out, or revoke it for good."""

from __future__ import annotations

from django.db import transaction

from compliance.models import EventCategory, User
from compliance.services.events import record_event
from devices.models import Gateway, GatewayState
from devices.services.attestation import approve_measurement, pending_measurement
from devices.services.registry import RegistrationRefused

WORDS = {
    GatewayState.ACTIVE: "A gateway is heard again.",
    GatewayState.QUARANTINED: "A gateway was quarantined: nothing that comes through it is heard.",
    GatewayState.RETIRED: "A gateway was revoked: its key is never believed again.",
}


def set_gateway_state(*, gateway: Gateway, state: GatewayState, by: User | None = None) -> Gateway:
    """Change what a gateway may do; every process hears of it within seconds, through the registry's marks.

    Raises RegistrationRefused when it was revoked before: its key may have left the house with it.
    """
    with transaction.atomic():
        locked = Gateway.objects.select_for_update().get(pk=gateway.pk)
        if locked.state == state:
            return locked
        if locked.state == GatewayState.RETIRED:
            raise RegistrationRefused("a revoked gateway does not come back: register it anew")
        if state == GatewayState.ACTIVE and pending_measurement(locked) is not None:
            approve_measurement(gateway=locked, by=by)
        before, locked.state = locked.state, state
        locked.save(update_fields=["state"])
        record_event(
            category=EventCategory.SECURITY,
            code=f"gateway_{state}",
            message=WORDS[state],
            ward_id=locked.ward_id,
            user=by,
            gateway_id=locked.pk,
            detail={"before": before},
        )
    return locked
