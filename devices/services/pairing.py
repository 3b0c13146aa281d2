"""Pairings of gateways and devices: codes that are shown once, and the server's half of the handshake.

What the other side is told is always the same sentence; what happened stands in a named event.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from compliance.keyring import field_box
from compliance.models import EventCategory, User
from compliance.models.keys import house_key
from compliance.secretbox import SecretBox
from compliance.services.events import record_error, record_event
from devices.errors import (
    PairingBusy,
    PairingCodeDead,
    PairingCodeExpired,
    PairingCodeUsed,
    PairingCodeWrong,
    PairingForged,
    PairingRefused,
    PairingUnknown,
)
from devices.models import Device, DeviceState, FormerRoot, Gateway, GatewayState, Pairing, PairingRun, PairingState
from devices.pairing import server_side
from devices.pairing.address import REFERENCE_BYTES, PairingAddress
from devices.pairing.codes import canonical, new_code
from devices.pairing.messages import NO_KEY, Head, Proof, read_head
from devices.protocol.suites import Suite
from devices.selectors.keys import device_root_box, gateway_root_box
from devices.services.authority import (
    authority_fingerprint,
    issue,
    issue_tls_client,
    server_identity,
    subject_of,
    supersede,
)
from devices.services.registry import RegistrationRefused
from devices.signals import device_changed

CODE_FOR = timedelta(minutes=15)
MOST_WRONG = 5
RUN_FOR = timedelta(minutes=1)
MOST_RUNS = 4
KEPT_FOR = timedelta(days=1)  # so long M4 is given again to a gateway that was killed before it came
INDEX = "pairing-codes"


def _run_box() -> SecretBox:
    return field_box("device-pairing")


class NewPairing(NamedTuple):
    """A pairing that waits, with the address that holds its code. It is shown once and kept nowhere."""

    pairing: Pairing
    address: PairingAddress


def begin_pairing(*, owner: Gateway | Device, server: str, by: User | None = None) -> NewPairing:
    """Make a one-time code for a gateway or device; a code that still waits is withdrawn.

    server: `https://HOST`, where the gateway finds us. Raises RegistrationRefused for what was taken out of use.
    """
    gateway = owner if isinstance(owner, Gateway) else owner.gateway
    code, reference = new_code(), os.urandom(REFERENCE_BYTES)
    now = timezone.now()
    with transaction.atomic():
        locked = type(owner)._default_manager.select_for_update().get(pk=owner.pk)
        if locked.state in (GatewayState.RETIRED, DeviceState.RETIRED):
            raise RegistrationRefused("what was revoked or retired is not paired again: register it anew")
        owner.pairings.filter(state=PairingState.WAITING).update(state=PairingState.WITHDRAWN)
        Pairing.objects.filter(created_at__lt=now - KEPT_FOR * 30).delete()
        PairingRun.objects.filter(began_at__lt=now - KEPT_FOR).delete()
        subject = subject_of(owner)
        pairing = Pairing.objects.create(
            reference=reference,
            gateway=owner if isinstance(owner, Gateway) else None,
            device=owner if isinstance(owner, Device) else None,
            code_hash=_hash(subject.urn, canonical(code) or ""),
            created_at=now,
            created_by=by,
            expires_at=now + CODE_FOR,
        )
        _note(pairing, gateway, "pairing_code_made", "A pairing code was made.", by=by)
    address = PairingAddress(server, subject, reference, code, authority_fingerprint())
    if isinstance(owner, Device):
        address = address._replace(device_kind=owner.kind, suite=Suite(owner.suite))
    return NewPairing(pairing, address)


def withdraw(pairing: Pairing, *, by: User | None = None) -> None:
    """End a code that was not used."""
    with transaction.atomic():
        ended = Pairing.objects.filter(pk=pairing.pk, state=PairingState.WAITING)
        if ended.update(state=PairingState.WITHDRAWN):
            _note(pairing, _gateway_of(pairing), "pairing_code_withdrawn", "A pairing code was withdrawn.", by=by)


def answer(message: bytes) -> bytes:
    """Return M2 for an M1 and M4 for an M3.

    Raises PairingRefused (or ClockSkewed): always of a kind that tells nothing which the other side did not know.
    """
    head = read_head(message)
    if head.type == 1:
        return _answer_offer(head, message)
    if head.type == 3:
        return _answer_proof(head, message)
    raise PairingForged("Servers are not told how to answer.")


def _answer_offer(head: Head, message: bytes) -> bytes:
    identity = server_identity()
    with _refusing(head), transaction.atomic():
        now = timezone.now()
        pairing = _waiting(head, now)
        live = pairing.runs.filter(began_at__gt=now - RUN_FOR, outcome=None)
        if live.count() >= MOST_RUNS:
            raise PairingBusy
        reply, answered = server_side.answer_offer(message, identity, now=now.timestamp())
        PairingRun.objects.create(
            pairing=pairing, answered_sealed=_run_box().seal(answered.raw, head.reference), began_at=now
        )
    return reply


def _answer_proof(head: Head, message: bytes) -> bytes:
    refused: PairingRefused | None = None
    with _refusing(head):
        with transaction.atomic():
            now = timezone.now()
            digest = hashlib.sha256(message).digest()
            again = PairingRun.objects.filter(pairing__reference=head.reference, proof_hash=digest).first()
            if again is not None and again.outcome and again.began_at > now - KEPT_FOR:
                return bytes(again.outcome)  # M4 was lost on its way: nobody else can read it
            pairing = _waiting(head, now)
            run, answered, proof = _opened(pairing, head, message, now)
            code = canonical(proof.code.decode("ascii", "replace"))
            if code is None or not hmac.compare_digest(_hash(head.subject.urn, code), bytes(pairing.code_hash)):
                refused = _count_wrong(pairing, run)
            else:
                reply = _pair(pairing, run, answered, proof, message, code, now)
        if refused is not None:  # raised only now, so that the count is kept
            raise refused
    return reply


def _waiting(head: Head, now: datetime) -> Pairing:
    """Return the pairing that a message names, locked. Raises PairingRefused."""
    found = Pairing.objects.select_for_update(of=("self",)).filter(reference=head.reference).first()
    if found is None or subject_of(found.gateway or found.device) != head.subject:
        raise PairingUnknown
    if found.state == PairingState.PAIRED:
        raise PairingCodeUsed
    if found.state == PairingState.DEAD:
        raise PairingCodeDead
    if found.state == PairingState.WITHDRAWN or found.expires_at <= now:
        raise PairingCodeExpired
    gateway = _gateway_of(found)
    states = {gateway.state} | ({found.device.state} if found.device else set())
    if {GatewayState.RETIRED, DeviceState.RETIRED} & states:
        raise PairingCodeExpired
    return found


def _opened(
    pairing: Pairing, head: Head, message: bytes, now: datetime
) -> tuple[PairingRun, server_side.Answered, Proof]:
    """Return the run that an M3 belongs to: the one whose key opens it. Raises PairingForged."""
    for run in pairing.runs.filter(began_at__gt=now - RUN_FOR).exclude(answered_sealed=None):
        answered = server_side.Answered.of(_run_box().open(bytes(run.answered_sealed or b""), head.reference))
        try:
            return run, answered, server_side.open_proof(message, answered)
        except PairingForged:
            continue
    raise PairingForged


def _count_wrong(pairing: Pairing, run: PairingRun) -> PairingRefused:
    """Count a wrong guess; its run is over, and at the limit the code is dead."""
    run.delete()
    pairing.wrong += 1
    dead = pairing.wrong >= MOST_WRONG
    if dead:
        pairing.state = PairingState.DEAD
        _note(
            pairing,
            _gateway_of(pairing),
            "pairing_code_guessed",
            f"A pairing code was guessed at {MOST_WRONG} times and is dead. Find out who tried before making another.",
        )
    pairing.save(update_fields=["wrong", "state"])
    return PairingCodeDead() if dead else PairingCodeWrong()


def _pair(
    pairing: Pairing,
    run: PairingRun,
    answered: server_side.Answered,
    proof: Proof,
    message: bytes,
    code: str,
    now: datetime,
) -> bytes:
    """Issue the certificate, store root and key, and return M4: all in the caller's transaction, or nothing."""
    owner = pairing.gateway or pairing.device
    certificate = issue(owner, proof.public_key)
    issued = [certificate]
    if isinstance(owner, Gateway) and proof.tls_key != NO_KEY:
        issued.append(issue_tls_client(owner, proof.tls_key))
    given = [bytes(one.content) for one in issued] + [b""]
    reply, root = server_side.finish(
        message, proof, answered, code=code, certificate=given[0], tls_certificate=given[1]
    )
    if owner is None:  # the database's own rule says that it is one of the two
        raise PairingUnknown
    supersede(owner, but=issued)
    if isinstance(owner, Gateway):
        sealed = gateway_root_box().seal(root, subject_of(owner).urn.encode())
        Gateway.objects.filter(pk=owner.pk).update(
            public_key=proof.public_key, root_sealed=sealed, software=proof.software
        )
    else:
        FormerRoot.objects.create(device=owner, gateway=owner.gateway, root_sealed=owner.root_sealed, ended_at=now)
        Device.objects.filter(pk=owner.pk).update(root_sealed=device_root_box().seal(root))
        transaction.on_commit(lambda: device_changed.send(Device, device_id=owner.pk))
    run.outcome, run.proof_hash, run.answered_sealed = reply, hashlib.sha256(message).digest(), None
    run.save(update_fields=["outcome", "proof_hash", "answered_sealed"])
    pairing.runs.exclude(pk=run.pk).delete()
    pairing.state, pairing.paired_at = PairingState.PAIRED, now
    pairing.save(update_fields=["state", "paired_at"])
    what = "gateway" if isinstance(owner, Gateway) else "device"
    _note(pairing, _gateway_of(pairing), f"{what}_paired", f"A {what} was paired.", serial=certificate.serial)
    return reply


@contextmanager
def _refusing(head: Head) -> Iterator[None]:
    """Record what is refused under its own name, and tell the other side the same of all of it."""
    try:
        yield
    except PairingRefused as error:
        named = not isinstance(error, PairingUnknown)
        _record(error, Pairing.objects.filter(reference=head.reference).first() if named else None)
        raise PairingRefused from error


def _record(error: PairingRefused, pairing: Pairing | None) -> None:
    gateway = _gateway_of(pairing) if pairing else None
    device = pairing.device if pairing else None
    record_error(
        error,
        category=EventCategory.SECURITY,
        patient=device.patient if device else None,
        ward_id=gateway.ward_id if gateway else None,
        device_id=device.pk if device else None,
        gateway_id=gateway.pk if gateway else None,
    )


def _gateway_of(pairing: Pairing) -> Gateway:
    if pairing.gateway is not None:
        return pairing.gateway
    assert pairing.device is not None  # noqa: S101 the database's own rule
    return pairing.device.gateway


def _hash(urn: str, code: str) -> bytes:
    return hmac.digest(house_key(INDEX), f"{urn}\0{code}".encode(), "sha256")


def _note(
    pairing: Pairing, gateway: Gateway, code: str, message: str, *, by: User | None = None, **detail: object
) -> None:
    device = pairing.device
    record_event(
        category=EventCategory.SECURITY,
        code=code,
        message=message,
        patient=device.patient if device else None,
        ward_id=gateway.ward_id,
        user=by,
        device_id=device.pk if device else None,
        gateway_id=gateway.pk,
        detail=dict(detail),
    )
