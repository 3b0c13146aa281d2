"""Where a person may put gateways and devices: offered on forms, and compared with when a file comes in."""

from __future__ import annotations

from django.db.models import QuerySet

from compliance.models import User, Ward
from compliance.selectors import scope_for
from devices.models import Gateway, GatewayState
from devices.selectors import gateways_for

CONFIGURE = "devices.configure_device"


def wards_of(user: User) -> QuerySet[Ward]:
    """Return the wards on which `user` may configure devices, by name."""
    return Ward.objects.filter(pk__in=scope_for(user, CONFIGURE, once_confirmed=True).ward_ids).order_by("name")


def hubs_of(user: User) -> QuerySet[Gateway]:
    """Return the gateways in use that `user` may configure, by name."""
    return gateways_for(user, CONFIGURE, once_confirmed=True).exclude(state=GatewayState.RETIRED).order_by("name")
