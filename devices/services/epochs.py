"""Begins epochs of keys for gateways that proved themselves, and lets the secrets of old ones go with their frames.

One short transaction begins the epochs of everybody who connected since the last turn, however many devices they have:
the keys of devices are derived in memory from one secret for each gateway.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from devices.models import FormerRoot, Gateway, KeyEpoch
from devices.protocol.mutual import Agreement, Epoch, Terms
from devices.selectors.keys import epoch_box
from devices.selectors.settings import wished_of
from devices.services.authority import renew_if_due, server_identity
from devices.services.ciphers import follow_ciphers


class Begun(NamedTuple):
    """An epoch that began."""

    gateway_id: int
    epoch: Epoch


def begin_epochs(agreements: Sequence[Agreement], *, credit: int) -> list[Begun]:
    """Begin the next epoch of each gateway that agreed on one, and end the epoch before.

    Epochs are numbered by the time in seconds at which they begin, so that a number never comes back, not even when the
    database is restored from a copy. Raises DatabaseError; then no epoch began, and none ended.
    """
    if not agreements:
        return []
    identity = server_identity()
    terms = Terms(credit, settings.EPOCH_S, settings.EPOCH_FRAMES)
    now, moment = time.time(), timezone.now()
    begun = []
    with transaction.atomic():
        ids = sorted({agreement.hello["gateway"] for agreement in agreements})
        gateways = {one.pk: one for one in Gateway.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
        KeyEpoch.objects.filter(gateway__in=ids, ended_at=None).update(ended_at=moment)
        follow_ciphers({one.hello["gateway"]: one.hello for one in agreements})
        wished = wished_of(gateways.values())
        for agreement in agreements:
            gateway = gateways.get(agreement.hello["gateway"])
            if gateway is None:
                continue
            gateway.epoch = max(gateway.epoch + 1, int(now))
            agreement.settings = wished.get(gateway.pk, agreement.settings)
            renewed = renew_if_due(gateway, agreement.serial)
            epoch = agreement.begin(gateway.epoch, identity, terms, now=now, renewed=renewed)
            begun.append(Begun(gateway.pk, epoch))
        Gateway.objects.bulk_update(gateways.values(), ["epoch"], batch_size=100)
        KeyEpoch.objects.bulk_create([_row(one, moment) for one in begun], batch_size=100)
    return begun


def drop_old_epochs(before: datetime) -> None:
    """Let the secrets of epochs go that ended before the oldest frame that is kept."""
    KeyEpoch.objects.filter(ended_at__lt=before).delete()
    FormerRoot.objects.filter(ended_at__lt=before).delete()


def _row(begun: Begun, moment: datetime) -> KeyEpoch:
    return KeyEpoch(
        gateway_id=begun.gateway_id,
        number=begun.epoch.number,
        secret_sealed=epoch_box().seal(begun.epoch.secret),
        began_at=moment,
    )
