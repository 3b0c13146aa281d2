"""The secret of OSCORE for each gateway, and the sequence numbers that this house uses under it.

`secret_of` is the one place that knows where secrets come from: of a gateway that was paired, from the root of its
pairing, so that whatever ends the pairing ends the secret; of one that never was, from the house, which gave it out.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from django.db import transaction

from compliance.errors import DomainError, SecretUnreadable
from compliance.keyring import field_box
from compliance.models import EventCategory
from compliance.secretbox import SecretBox
from compliance.services.events import record_event
from devices.models import CoapSecret, Gateway
from devices.protocol.certificates import Kind, Subject
from devices.protocol.epochs import oscore_secret
from devices.protocol.sequence import NumbersExhausted, floor_now
from devices.selectors.keys import gateway_root_box

SECRET_BYTES = 32
BLOCK = 4096
RESERVE_BELOW = 1024  # numbers left, at which the next block is reserved


class SecretFromPairing(DomainError):
    """This gateway was paired: both ends derive its secret for CoAP from that, and there is none to give out."""

    code = "coap_secret_from_pairing"


class Secret(NamedTuple):
    """raw: 32 bytes. mark: what it was opened from; another mark is another secret."""

    raw: bytes
    mark: bytes


def _box() -> SecretBox:
    return field_box("coap-secret")


def renew_secret(gateway: Gateway) -> bytes:
    """Give a gateway a fresh secret for CoAP and return its 32 bytes, which go to the gateway and are not shown again.

    Numbers go on where they were: a process that still holds the former secret cannot meet one of the new.
    Raises SecretFromPairing for a gateway that was paired.
    """
    if gateway.root_sealed is not None:
        raise SecretFromPairing
    secret = os.urandom(SECRET_BYTES)
    with transaction.atomic():
        CoapSecret.objects.update_or_create(gateway=gateway, defaults={"secret_sealed": _box().seal(secret)})
        record_event(
            category=EventCategory.SECURITY,
            code="gateway_coap_secret_renewed",
            message="A gateway got a secret for CoAP.",
            ward_id=gateway.ward_id,
            gateway_id=gateway.pk,
        )
    return secret


def secret_of(gateway_id: int) -> Secret | None:
    """Return a gateway's secret; None when it has none, or FIELD_KEY is not the one that sealed it."""
    root, given = _sealed([gateway_id]).get(gateway_id, (b"", b""))
    try:
        if root:
            opened = gateway_root_box().open(root, Subject(Kind.GATEWAY, gateway_id).urn.encode())
            return Secret(oscore_secret(opened), root)
        return Secret(_box().open(given), given) if given else None
    except SecretUnreadable:
        return None


def secret_marks(gateway_ids: list[int]) -> dict[int, bytes]:
    """Return which secrets these gateways have now, as the marks of `secret_of`; empty where there is none."""
    sealed = _sealed(gateway_ids)
    return {gateway_id: next(filter(None, sealed.get(gateway_id, ())), b"") for gateway_id in gateway_ids}


def _sealed(gateway_ids: list[int]) -> dict[int, tuple[bytes, bytes]]:
    """Return gateway -> its root and the secret that it was given, both sealed, empty where there is none."""
    rows = Gateway.objects.filter(pk__in=gateway_ids).values_list("pk", "root_sealed", "coap_secret__secret_sealed")
    return {gateway_id: (bytes(root or b""), bytes(given or b"")) for gateway_id, root, given in rows}


def reserve_numbers(gateway_id: int) -> range:
    """Return numbers that nobody else has and nobody will get, also not after the database was restored."""
    with transaction.atomic():
        row, _ = CoapSecret.objects.select_for_update().get_or_create(pk=gateway_id)
        start = max(row.next_number, floor_now())
        CoapSecret.objects.filter(pk=gateway_id).update(next_number=start + BLOCK)
    return range(start, start + BLOCK)


class ReservedNumbers:
    """The numbers of one process under one secret. They are fetched ahead, since nothing may wait in an event loop."""

    def __init__(self, gateway_id: int) -> None:
        self._gateway_id = gateway_id
        self._left = range(0)
        self._next = range(0)

    @property
    def low(self) -> bool:
        """Whether `reserve` should be called."""
        return len(self._left) + len(self._next) < RESERVE_BELOW

    def reserve(self) -> None:
        """Fetch a block; waits for the database."""
        fresh = reserve_numbers(self._gateway_id)
        if self._left:
            self._next = fresh
        else:
            self._left = fresh

    def take(self) -> int:
        """Return the next number. Raises NumbersExhausted."""
        if not self._left:
            self._left, self._next = self._next, range(0)
        if not self._left:
            raise NumbersExhausted
        number, self._left = self._left[0], self._left[1:]
        return number
