"""What gateways say that they run, in the one word that an administrator looks for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from devices.models import GatewayMeasurement


class Attested(StrEnum):
    """How what a gateway showed last stands to what people approved."""

    APPROVED = "approved"
    NEW = "not approved yet"  # nothing of it ever was: it connects with anything
    CHANGED = "changed"  # something else was approved
    NOTHING = "shows nothing"  # never connected, or not paired


def attested(gateway_ids: Iterable[int]) -> dict[int, Attested]:
    """Return gateway id -> how it stands, in one query."""
    ids = list(gateway_ids)
    newest: dict[int, GatewayMeasurement] = {}
    once_approved = set[int]()
    for one in GatewayMeasurement.objects.filter(gateway_id__in=ids):  # newest first
        newest.setdefault(one.gateway_id, one)
        if one.approved_at is not None:
            once_approved.add(one.gateway_id)
    return {number: _standing(newest.get(number), number in once_approved) for number in ids}


def _standing(newest: GatewayMeasurement | None, once_approved: bool) -> Attested:
    if newest is None or not newest.value:
        return Attested.CHANGED if newest is not None and once_approved else Attested.NOTHING
    if newest.approved_at is not None:
        return Attested.APPROVED
    return Attested.CHANGED if once_approved else Attested.NEW
