"""`manage.py reset_sign_in`: for whoever lost every second factor: take the old ones away and end all sign-ins."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from compliance.models import User
from compliance.services.factors import remove_all_factors
from compliance.services.sessions import end_other_sessions


class Command(BaseCommand):
    """Reset one person's second factors."""

    help = "Remove a person's second factors and recovery codes and end their sign-ins. Staff then enrol anew."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the sign-in name."""
        parser.add_argument("username")

    def handle(self, *, username: str, **_: object) -> None:
        """Remove, end, and keep the fact."""
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is nobody with the sign-in name '{username}'.")
        removed = remove_all_factors(user=user)
        ended = end_other_sessions(user, keep=None, why="second factors reset")
        self.stdout.write(f"{username}: {removed} second factors removed, {ended} sign-ins ended.")
