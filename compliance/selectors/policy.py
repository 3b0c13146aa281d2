"""What the policy decides from: the version that is active, who people are to whom, and what patients refuse."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache, partial
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from compliance.errors import PolicyInvalid
from compliance.models import CareRelationship, EmergencyAccess, Patient, PolicyVersion, Shift, User
from compliance.policy import Circumstances, Policy, Purpose, Role, Subject, house_policy, read_policy
from compliance.policy.asking import current, once
from compliance.selectors.consents import refusing_patients

log = logging.getLogger(__name__)
# Decides when the stored policy cannot be read: nothing is allowed, and `manage.py use_policy` leads out.
CLOSED = Policy(name="none: the stored policy is unreadable", sha256="", rights={}, purposes={})


def active_policy() -> Policy:
    """Return the policy that decides now."""
    return once("policy", _read_active)


def _read_active() -> Policy:
    row = PolicyVersion.objects.filter(active=True).values_list("text", "sha256").first()
    if row is None:
        return house_policy()
    try:
        return checked_policy(*row)
    except PolicyInvalid as error:
        log.critical("everything is refused, the active policy is unreadable: %s", error)
        return CLOSED


@lru_cache(maxsize=16)
def checked_policy(text: str, sha256: str) -> Policy:
    """Return the policy in `text`. Raises PolicyInvalid, also when the text is not the one that was hashed."""
    if hashlib.sha256(text.encode()).hexdigest() != sha256:
        raise PolicyInvalid("The stored text is not the one that was put down.")
    return read_policy(text)


def circumstances_of(policy: Policy, role: Role, actions: Iterable[str], at: datetime | None = None) -> Circumstances:
    """Return the circumstances at hand, with those refusals of patients that `actions` of `role` depend on."""
    here = current()
    wanted = frozenset[Purpose]().union(*(policy.consents_asked(role, action) for action in actions))
    return Circumstances(
        at=at or timezone.now(),
        purpose=here.purpose,
        fresh=here.fresh(),
        refusals={purpose: once(("refusals", purpose), partial(_refusing, purpose)) for purpose in wanted},
    )


def _refusing(purpose: Purpose) -> frozenset[UUID]:
    return frozenset(refusing_patients(purpose))


def subjects_of(users: Iterable[User], policy: Policy, at: datetime) -> dict[int, Subject]:
    """Return the policy's view of each person at `at`, in three queries however many they are."""
    people = {user.pk: user for user in users}
    wards: dict[int, set[int]] = {pk: set() for pk in people}
    patients: dict[int, set[UUID]] = {pk: set() for pk in people}
    in_force = Q(ends_at__isnull=True) | Q(ends_at__gt=at)
    held = CareRelationship.objects.filter(in_force, user__in=people, starts_at__lte=at)
    for user_id, ward_id, patient_id in held.values_list("user_id", "ward_id", "patient_id"):
        if ward_id is not None:
            wards[user_id].add(ward_id)
        if patient_id is not None:
            patients[user_id].add(patient_id)
    opened = _opened(people, at)
    off = _off_shift(people, policy, at)
    return {
        pk: Subject(
            role=Role(user.role),
            ward_ids=frozenset(wards[pk]),
            patient_ids=frozenset(patients[pk]),
            active=user.is_active,
            on_shift=pk not in off,
            own=frozenset() if user.own_patient_id is None else frozenset({user.own_patient_id}),
            opened=frozenset(opened.get(pk, ())),
        )
        for pk, user in people.items()
    }


def _opened(people: Mapping[int, User], at: datetime) -> dict[int, set[UUID]]:
    found: dict[int, set[UUID]] = {}
    rows = EmergencyAccess.objects.filter(user__in=people, opened_at__lte=at, ends_at__gt=at)
    for user_id, patient_id in rows.values_list("user_id", "patient_id").order_by():
        found.setdefault(user_id, set()).add(patient_id)
    return found


def _off_shift(people: Mapping[int, User], policy: Policy, at: datetime) -> set[int]:
    """Return those of whom shifts are recorded, but none that holds at `at`."""
    grace = timedelta(minutes=policy.shift_grace_min)
    recorded: set[int] = set()
    working: set[int] = set()
    for user_id, starts, ends in Shift.objects.filter(user__in=people).values_list("user_id", "starts_at", "ends_at"):
        recorded.add(user_id)
        if starts - grace <= at < ends + grace:
            working.add(user_id)
    return recorded - working


def near(patients: Iterable[Patient], at: datetime) -> Q:
    """Return the condition on users under which one of them may reach one of `patients` at `at`."""
    found = list(patients)
    relationships = CareRelationship.objects.filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=at),
        Q(ward_id__in={patient.ward_id for patient in found}) | Q(patient_id__in={patient.pk for patient in found}),
        starts_at__lte=at,
    )
    opened = EmergencyAccess.objects.filter(patient__in=found, opened_at__lte=at, ends_at__gt=at)
    return Q(pk__in=relationships.values("user_id")) | Q(pk__in=opened.order_by().values("user_id"))
