"""Add people, change what they are here for, and link them to wards and patients. Each change is a security event.

Nobody changes their own role, standing or links: an administrator cannot become a physician by themselves.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from django.db import transaction

from compliance.errors import LastAdministrator, NotYourself, PersonInvalid, PersonTaken
from compliance.models import BrowserSession, CareRelationship, EventCategory, Patient, Shift, User, Ward
from compliance.policy import Role
from compliance.services.events import record_event
from compliance.services.rights import rights_changed
from compliance.services.sessions import end_sessions

PASSWORD_BYTES = 12  # 16 symbols; handed over in person, and changed on the account page


@transaction.atomic
def add_person(*, by: User, username: str, role: Role, given_name: str, family_name: str) -> tuple[User, str]:
    """Add a person and return them with their first password, which is shown once. Raises PersonTaken."""
    if User.objects.filter(username__iexact=username).exists():
        raise PersonTaken
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    person = User.objects.create_user(
        username, password=password, role=role.value, first_name=given_name, last_name=family_name
    )
    _record("person_added", f"A person with the role {role} was added.", person, by, {"role": role.value})
    return person, password


@transaction.atomic
def change_role(*, by: User, person: User, role: Role) -> None:
    """Give a person another role; what they see changes at once."""
    locked = _locked(by, person)
    if role.value == locked.role:
        return
    _keep_an_administrator(locked)
    before, locked.role = locked.role, role.value
    locked.save(update_fields=["role"])
    _record("role_changed", "A person has another role.", locked, by, {"from": before, "to": role.value})
    rights_changed([locked.pk])


@transaction.atomic
def set_active(*, by: User, person: User, active: bool) -> None:
    """Switch an account off, which ends every sign-in of it, or on again."""
    locked = _locked(by, person)
    if locked.is_active == active:
        return
    if not active:
        _keep_an_administrator(locked)
    locked.is_active = active
    locked.save(update_fields=["is_active"])
    code = "account_switched_on" if active else "account_switched_off"
    _record(code, "An account was switched " + ("on." if active else "off."), locked, by, {})
    if not active:
        end_sessions(BrowserSession.objects.filter(user=locked, ended_at=None), user=locked, why="switched off")
    rights_changed([locked.pk])


@transaction.atomic
def link(
    *, by: User, person: User, ward: Ward | None, patient: Patient | None, starts_at: datetime, ends_at: datetime | None
) -> CareRelationship:
    """Link a person to a ward or to one patient. Raises PersonInvalid for times in the wrong order."""
    locked = _locked(by, person)
    if ends_at is not None and ends_at <= starts_at:
        raise PersonInvalid("The link has to end after it starts.")
    if (ward is None) == (patient is None):
        raise PersonInvalid("Name a ward or a patient.")
    made = CareRelationship.objects.create(
        user=locked, ward=ward, patient=patient, starts_at=starts_at, ends_at=ends_at
    )
    _record_link("care_relationship_added", "A person was linked to a ward or a patient.", made, by)
    rights_changed([locked.pk])
    return made


@transaction.atomic
def end_link(*, by: User, relationship: CareRelationship, now: datetime) -> None:
    """End a link now."""
    locked = _locked(by, relationship.user)
    ended = CareRelationship.objects.filter(pk=relationship.pk).exclude(ends_at__lte=now)
    if ended.update(ends_at=max(now, relationship.starts_at)):
        _record_link("care_relationship_ended", "A person's link to a ward or a patient ended.", relationship, by)
        rights_changed([locked.pk])


@transaction.atomic
def add_shift(*, by: User, person: User, starts_at: datetime, ends_at: datetime) -> Shift:
    """Record a shift. Raises PersonInvalid for times in the wrong order."""
    locked = _locked(by, person)
    if ends_at <= starts_at:
        raise PersonInvalid("The shift has to end after it starts.")
    made = Shift.objects.create(user=locked, starts_at=starts_at, ends_at=ends_at)
    _record("shift_added", "A shift was recorded.", locked, by, {"shift": made.pk})
    rights_changed([locked.pk])
    return made


@transaction.atomic
def remove_shift(*, by: User, shift: Shift) -> None:
    """Take a shift off the plan."""
    locked = _locked(by, shift.user)
    _record("shift_removed", "A shift was taken off the plan.", locked, by, {"shift": shift.pk})
    shift.delete()
    rights_changed([locked.pk])


def _locked(by: User, person: User) -> User:
    if by.pk == person.pk:
        raise NotYourself
    return User.objects.select_for_update(of=("self",)).get(pk=person.pk)


def _keep_an_administrator(person: User) -> None:
    others = User.objects.filter(role=Role.ADMINISTRATOR.value, is_active=True).exclude(pk=person.pk)
    if person.role == Role.ADMINISTRATOR and not others.exists():
        raise LastAdministrator


def _record_link(code: str, message: str, made: CareRelationship, by: User) -> None:
    patient = str(made.patient_id) if made.patient_id else None
    _record(code, message, made.user, by, {"relationship": made.pk, "ward": made.ward_id, "patient": patient})


def _record(code: str, message: str, person: User, by: User, detail: dict[str, object]) -> None:
    record_event(
        category=EventCategory.SECURITY, code=code, message=message, user=by, detail={"person": person.pk, **detail}
    )
