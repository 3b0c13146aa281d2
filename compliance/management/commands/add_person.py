"""`manage.py add_person`: make a sign-in for somebody, with a role and a ward. The password is asked for."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from compliance.models import CareRelationship, EventCategory, Patient, User, Ward
from compliance.policy import Role
from compliance.selectors.identities import with_number
from compliance.services.events import record_event


class Command(BaseCommand):
    """Add one person."""

    help = "Add a person: sign-in name, role and ward. Asks for the password, or reads it from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add name, role and ward."""
        parser.add_argument("username")
        parser.add_argument("--role", required=True, choices=[role.value for role in Role if role is not Role.NONE])
        parser.add_argument("--ward", help="the ward that the person works on; made when it is new")
        parser.add_argument("--record-number", help="the patient that this is; for the role patient")
        parser.add_argument("--given-name", default="")
        parser.add_argument("--family-name", default="")

    @transaction.atomic
    def handle(
        self,
        *,
        username: str,
        role: str,
        ward: str | None,
        record_number: str | None,
        given_name: str,
        family_name: str,
        **_: object,
    ) -> None:
        """Make the account and the relationship, and keep the fact."""
        if User.objects.filter(username=username).exists():
            raise CommandError(f"There is a person with the sign-in name '{username}' already.")
        own = _own_patient(role, record_number)
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        try:
            validate_password(password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        # A patient's name lies in the record, sealed; beside the account it would not.
        names = {} if own else {"first_name": given_name, "last_name": family_name}
        person = User.objects.create_user(username, password=password, role=role, **names, own_patient=own)
        place = Ward.objects.get_or_create(name=ward)[0] if ward else None
        if place is not None:
            CareRelationship.objects.create(user=person, ward=place, starts_at=timezone.now())
        record_event(
            category=EventCategory.SECURITY,
            code="person_added",
            message=f"A person with the role {role} was added.",
            user=person,
            ward_id=place.pk if place else None,
        )
        self.stdout.write(f"{username} may sign in as {role}." + (f" Ward: {place.name}." if place else ""))


def _own_patient(role: str, record_number: str | None) -> Patient | None:
    if (role == Role.PATIENT) != (record_number is not None):
        raise CommandError("The role patient, and no other, needs --record-number.")
    if record_number is None:
        return None
    own = with_number(record_number).filter(account=None).first()
    if own is None:
        raise CommandError("No patient without a sign-in has this record number.")
    return own
