"""`manage.py load_demo`: the demonstration's people, patients and medication plans. Running it again is harmless."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from compliance.models import CareRelationship, Patient, User, Ward
from compliance.policy import Role
from compliance.selectors.identities import by_number
from compliance.services.demo_factors import ensure_demo_factor
from compliance.services.demo_regimens import ensure_demo_regimens
from compliance.services.factors import OFFERED_ONLY
from twin import env
from twin.services.emulation import ensure_patients

WARD_NAME = "Ward 4 East"
SIGN_INS = [
    ("nurse", Role.NURSE, "nurse on the ward: sees every patient, acknowledges alerts"),
    ("physician", Role.PHYSICIAN, "physician: also sets limits and asks what-if"),
    ("caregiver", Role.CAREGIVER, "caregiver: sees the one person linked to them"),
    ("administrator", Role.ADMINISTRATOR, "device administrator: gateways, devices, technical alerts"),
    ("trainer", Role.TRAINER, "trainer: forks a live twin, acknowledges nothing"),
    ("patient", Role.PATIENT, "patient: the own record, who looked, consents"),
]
NAMES = {
    "nurse": ("Nora", "Lindqvist"),
    "physician": ("Paul", "Okafor"),
    "caregiver": ("Carla", "Weber"),
    "administrator": ("Adam", "Novak"),
    "trainer": ("Tessa", "Moreau"),
    "patient": ("", ""),  # called as the patient whose account it is
}


def demo_password() -> str:
    """Return this installation's own demo password, made at the first start."""
    return env.secret("DEMO_PASSWORD", settings.HOME / "secrets")[:16]


class Command(BaseCommand):
    """Load the demonstration."""

    help = "Load the demonstration's people, patients and medication plans (idempotent)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("--patients", type=int, default=12)

    @transaction.atomic
    def handle(self, *, patients: int, **_: object) -> None:
        """Load; refuse outside the demonstration."""
        if not settings.DEMO:
            raise CommandError("This is not a demonstration: set MEDTWIN_DEMO=yes to load synthetic people here.")
        ward, _created = Ward.objects.get_or_create(name=WARD_NAME)
        people = {username: _person(username, role) for username, role, _what in SIGN_INS}
        ensure_patients(ward, patients)
        beds = by_number(Patient.objects.filter(ward=ward))
        _relate(people["caregiver"], patient=beds[0])
        _own(people["patient"], beds[0])
        for username in set(people) - {"caregiver", "patient"}:
            _relate(people[username], ward=ward)
        for patient in beds[:4]:  # tonight's own patients of the nurse: the filter on the board
            _relate(people["nurse"], patient=patient)
        ensure_demo_regimens(list(Patient.objects.filter(ward=ward)))


def _person(username: str, role: Role) -> User:
    given, family = NAMES[username]
    user, created = User.objects.get_or_create(
        username=username, defaults={"role": role.value, "first_name": given, "last_name": family}
    )
    if created:
        user.set_password(demo_password())
        user.save(update_fields=["password"])
    if role.value not in OFFERED_ONLY:
        ensure_demo_factor(user)
    return user


def _own(user: User, patient: Patient) -> None:
    user.own_patient, user.first_name, user.last_name = patient, "", ""  # the record has the name, sealed
    user.save(update_fields=["own_patient", "first_name", "last_name"])


def _relate(user: User, *, ward: Ward | None = None, patient: Patient | None = None) -> None:
    CareRelationship.objects.get_or_create(
        user=user, ward=ward, patient=patient, defaults={"starts_at": timezone.now() - timedelta(minutes=1)}
    )
