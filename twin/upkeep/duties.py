"""Whether everybody does their part: worker, beat, the keeper of the log, witnesses, sealing, HL7, gateways, people."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.utils import timezone

from compliance.log.notes import NoteRefused
from compliance.models import LogCheckpoint, LogEntry, Notice, NoticePriority, User, Witness
from compliance.policy import Role
from compliance.selectors.policy import active_policy
from compliance.services.log_keys import witnesses
from devices.models import Gateway, GatewayState, HL7Message, MessageState
from devices.services.telemetry import store
from twin.upkeep.findings import Finding, broken, by_age, look, well

log = logging.getLogger(__name__)
PULSE_KEY = "medtwin:upkeep:pulse"
PULSE_LOOK_S, PULSE_BROKEN_S = 45.0, 180.0
LOG_LOOK_S, LOG_BROKEN_S = 30.0, 300.0
WITNESS_SILENT = timedelta(minutes=10)
WITNESSES_AT_LEAST = 2
HL7_LOOK_S, HL7_BROKEN_S = 600.0, 6 * 3600.0
GATEWAY_SILENT = timedelta(minutes=5)
ANSWER_S = 3.0


def note_pulse() -> None:
    """Say that beat sent a task and a worker ran it. Redis that does not answer is for the next check to find."""
    try:
        with redis.Redis.from_url(settings.HUB_URL, socket_timeout=ANSWER_S) as client:
            client.set(PULSE_KEY, repr(time.time()), ex=24 * 3600)
    except redis.RedisError as error:
        log.warning("the pulse could not be noted: %s", type(error).__name__)


def check_tasks() -> Iterator[Finding]:
    """Look at when a task that beat sent was last run by a worker. Raises RedisError."""
    with redis.Redis.from_url(settings.HUB_URL, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S) as client:
        noted = client.get(PULSE_KEY)
    advice = "start one beat and at least one worker; alarms are not repeated or escalated meanwhile"
    if not isinstance(noted, bytes):
        yield broken("worker and beat", "no task was ever run, or Redis was emptied", advice)
        return
    age_s = max(0.0, time.time() - float(noted))
    yield by_age("worker and beat", age_s, PULSE_LOOK_S, PULSE_BROKEN_S, "last task of beat run by a worker", advice)


def check_log() -> Iterator[Finding]:
    """Look whether entries of the log get their places, and heads their witnesses. Raises DatabaseError."""
    oldest = LogEntry.objects.filter(leaf_index=None).order_by("pk").values_list("at", flat=True).first()
    advice = "start `manage.py run_log`, on two hosts: one leads"
    said = "entries wait for their place" if oldest else "every entry has its place"
    yield by_age("transparency log", _age_s(oldest), LOG_LOOK_S, LOG_BROKEN_S, said, advice)
    try:
        named = witnesses()
    except NoteRefused:
        yield broken("witnesses", "LOG_WITNESSES cannot be read", "write each as url=name+id+key, with commas between")
        return
    if len(named) < WITNESSES_AT_LEAST:
        advice = "set LOG_WITNESSES where run_log runs and here: two, run by others"
        yield look("witnesses", f"{len(named)} are named", advice)
    known = {witness.name: witness for witness in Witness.objects.all()}
    for address in named:
        yield _witness(address.verifier.name, known.get(address.verifier.name))
    newest = LogCheckpoint.objects.filter(witnesses__gte=WITNESSES_AT_LEAST).order_by("-size").first()
    if len(named) >= WITNESSES_AT_LEAST and newest is None:
        yield broken("witnesses", "no head has two cosignatures yet", "see what troubles them on the page Log")


def check_sealing() -> Iterator[Finding]:
    """Look whether frames get under a root, and roots into the log. Raises StoreUnavailable."""
    telemetry = store()
    waiting = [group.received for group in telemetry.unsealed_groups(1)]
    waiting += [seal.last_received for seal in telemetry.unlogged_seals()]
    age_s = max(0.0, time.time() - min(waiting)) if waiting else 0.0
    slow_s = 12.0 * settings.SEAL_S
    said = "frames wait for their root" if waiting else "every frame is under a root"
    advice = "see the log of the web process or bridge that took them: it seals every MEDTWIN_SEAL_S"
    yield by_age("sealed frames", age_s, slow_s, 10 * slow_s, said, advice)


def check_hl7() -> Iterator[Finding]:
    """Look at messages that wait for a receiver. Raises DatabaseError."""
    waiting = HL7Message.objects.filter(state=MessageState.WAITING)
    oldest = waiting.order_by("pk").values_list("made_at", flat=True).first()
    said = f"{waiting.count()} messages wait" if oldest else "nothing waits"
    advice = "start `manage.py send_hl7`, and see on the page HL7 what the receiver answers"
    yield by_age("HL7", _age_s(oldest), HL7_LOOK_S, HL7_BROKEN_S, said, advice)
    if parked := HL7Message.objects.filter(state=MessageState.PARKED).count():
        yield look("HL7", f"{parked} set aside: the receiver refused them", "see on the page HL7 why, and send again")


def check_gateways() -> Iterator[Finding]:
    """Look at gateways that should be heard and are not. Raises DatabaseError."""
    active = Gateway.objects.filter(state=GatewayState.ACTIVE)
    silent = active.exclude(last_seen_at__gte=timezone.now() - GATEWAY_SILENT).count()
    if silent:
        said = f"{silent} of {active.count()} were not heard for {GATEWAY_SILENT.seconds // 60} minutes"
        yield look("gateways", said, "see the page Devices, and each one's own log")
    else:
        yield well("gateways", f"{active.count()} heard")


def check_people() -> Iterator[Finding]:
    """Look whether somebody can run the house, and what waits for them. Raises DatabaseError."""
    administrators = User.objects.filter(role=Role.ADMINISTRATOR.value, is_active=True)
    enrolled = administrators.filter(authenticator__isnull=False).distinct().count()
    if not enrolled:
        advice = "manage.py add_person NAME --role administrator; then sign in and enrol a second factor"
        yield broken("administrators", "none who could change anything", advice)
    elif enrolled == 1:
        yield look("administrators", "only one", "add a second: whoever is locked out cannot let themselves in")
    else:
        yield well("administrators", f"{enrolled} with a second factor")
    notices = Notice.objects.filter(taken_at=None)
    critical = notices.filter(priority=NoticePriority.CRITICAL).count()
    if critical:
        yield broken("notices", f"{critical} critical open", "an administrator reads them on any page, now")
    elif notices.exists():
        yield look("notices", f"{notices.count()} open", "an administrator takes them on, at the top of every page")
    else:
        yield well("notices", "none open")


def check_policy() -> Iterator[Finding]:
    """Look whether the policy that decides can be read: when not, everything is refused."""
    yield well("policy", f"'{active_policy().name}' decides")


def _witness(name: str, known: Witness | None) -> Finding:
    if known is None or known.signed_at is None:
        return broken("witnesses", f"{name} never signed", "is it up, and does it know this log's key?")
    if known.trouble:
        return look("witnesses", f"{name}: {known.trouble}", "see the page Log; a refusal is a matter for both houses")
    if known.signed_at < timezone.now() - WITNESS_SILENT:
        return look("witnesses", f"{name} signed nothing for long", "does `manage.py run_log` run?")
    return well("witnesses", f"{name} signs")


def _age_s(moment: datetime | None) -> float:
    return 0.0 if moment is None else max(0.0, (timezone.now() - moment).total_seconds())
